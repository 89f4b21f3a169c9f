// How large the next range is.

export const FIRST_RANGE = 16;

/**
 * Sizes ranges so that one lasts about `duration` milliseconds at the recent rate: at most double the size before, at
 * least 1, at most `limit`. Reads no clock.
 */
export class Pace {
  /** Size of the last range; 0 before the first. */
  size = 0;
  /** Ids of the ranges used up since `#since`. */
  #used = 0;
  #since;
  /** When the ids ran out; undefined while there are some. Time without ids says nothing of the rate. */
  #dryFrom;

  constructor(duration, limit) {
    this.duration = duration;
    this.limit = limit;
  }

  /** The size of a range to be fetched from now on. */
  next(now) {
    if (this.size === 0) {
      this.size = FIRST_RANGE;
    } else if (this.#used > 0) {
      const elapsed = now - this.#since;
      const doubled = 2 * this.size;
      this.size = elapsed > 0 ? Math.floor(Math.min(doubled, (this.#used / elapsed) * this.duration)) : doubled;
      this.#used = 0;
      this.#since = now;
    }
    this.size = this.bound(this.size);
    return this.size;
  }

  /** A range of `count` ids has come to its end. */
  usedUp(count, now) {
    this.#used += count;
    this.#since ??= now;
  }

  /** Somebody found no id. */
  ranDry(now) {
    this.#dryFrom ??= now;
  }

  /** There are ids again. */
  arrived(now) {
    if (this.#dryFrom !== undefined) {
      if (this.#since !== undefined) this.#since += now - this.#dryFrom;
      this.#dryFrom = undefined;
    }
  }

  /** What may be asked for of what is wanted. */
  bound(wanted) {
    return Math.max(1, Math.min(wanted, this.limit));
  }

  /** Lowers the limit for good: a server does not give more at once. */
  permit(limit) {
    this.limit = Math.max(1, Math.min(this.limit, limit));
  }
}
