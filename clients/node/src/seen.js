// Which ids have been received.

export const MOST_RUNS = 1024;

/**
 * Remembers every range that a tag was answered, and refuses what overlaps one: a cache or a proxy has repeated an answer, or the
 * servers' data went back.
 *
 * "Above everything so far" would be too strict, since servers hand out from different segments: after a change of server
 * good ranges may lie below earlier ones. Neighbours are joined, and where there are more than MOST_RUNS runs, the two with
 * the smallest gap between them become one, with the gap. So nothing is ever forgotten: a repeated range is refused however
 * late it comes. The price is that a good range is refused if it lies in such a gap, the smallest of 1,024, of ids that
 * other clients were given in all likelihood; the server has then moved past it at the next attempt.
 */
export class Seen {
  /** Runs in rising order, which neither touch nor overlap: first id, and the one after the last. */
  #firsts = [];
  #ends = [];

  get length() {
    return this.#firsts.length;
  }

  /** Takes note of a range (BigInts); false if an id of it was there before. */
  add(first, count) {
    const end = first + count;
    const [firsts, ends] = [this.#firsts, this.#ends];
    const at = this.#firstEndAbove(first);
    if (at < firsts.length && firsts[at] < end) return false;
    const joinsLower = at > 0 && ends[at - 1] === first;
    const joinsUpper = at < firsts.length && firsts[at] === end;
    if (joinsLower && joinsUpper) {
      this.#join(at);
    } else if (joinsLower) {
      ends[at - 1] = end;
    } else if (joinsUpper) {
      firsts[at] = first;
    } else {
      firsts.splice(at, 0, first);
      ends.splice(at, 0, end);
    }
    if (firsts.length > MOST_RUNS) this.#joinClosest();
    return true;
  }

  #firstEndAbove(id) {
    let [low, high] = [0, this.#ends.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle] > id) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #joinClosest() {
    const gap = (at) => this.#firsts[at] - this.#ends[at - 1];
    let closest = 1;
    for (let at = 2; at < this.#firsts.length; at++) {
      if (gap(at) < gap(closest)) closest = at;
    }
    this.#join(closest);
  }

  /** Makes one of a run and the one below it. */
  #join(at) {
    this.#ends[at - 1] = this.#ends[at];
    this.#firsts.splice(at, 1);
    this.#ends.splice(at, 1);
  }
}
