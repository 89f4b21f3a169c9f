// Which server is asked next, and when.

export const FIRST_PAUSE = 50;
export const LONGEST_PAUSE = 2000;
export const MOST_RETRY_AFTER = 60_000;
export const SUSPICION = 30_000;

/**
 * The servers as one tag sees them. One that failed is left alone for a while, and the next one asked at once. Times are
 * milliseconds; reads no clock.
 */
export class Line {
  /** The last failure, for messages; undefined after a success. */
  trouble;
  #servers;
  #failures;
  #retryAt;
  /** The server that answered last. */
  #preferred = 0;
  #longest;

  constructor(servers, deadline) {
    this.#servers = servers;
    this.#failures = servers.map(() => 0);
    this.#retryAt = servers.map(() => 0);
    this.#longest = Math.min(LONGEST_PAUSE, deadline / 4);
  }

  /** The server to ask now (`{ at, wait: 0 }`), or `{ at: -1, wait }`: how long to wait for one. */
  choose(now) {
    let suspect = -1;
    for (let ahead = 0; ahead < this.#servers.length; ahead++) {
      const at = (this.#preferred + ahead) % this.#servers.length;
      if (this.#retryAt[at] > now) continue;
      if (this.#servers[at].suspectUntil <= now) return { at, wait: 0 };
      if (suspect < 0) suspect = at;
    }
    if (suspect >= 0) return { at: suspect, wait: 0 };
    return { at: -1, wait: Math.min(...this.#retryAt) - now };
  }

  succeeded(at) {
    this.#preferred = at;
    this.trouble = undefined;
    this.#failures[at] = 0;
    this.#retryAt[at] = 0;
    this.#servers[at].suspectUntil = 0;
  }

  failed(at, now, failure) {
    let pause = Math.min(this.#longest, FIRST_PAUSE * 2 ** this.#failures[at]) * (0.5 + Math.random() / 2);
    if (failure.retryAfter > 0) {
      // A little later than it said, so that not all clients come back at once.
      pause = Math.min(failure.retryAfter, MOST_RETRY_AFTER) * (1 + Math.random() / 10);
    }
    this.#failures[at]++;
    this.#retryAt[at] = now + pause;
    // It did not answer at all: it is tried last.
    if (failure.status === undefined) this.#servers[at].suspectUntil = now + SUSPICION;
    this.trouble = failure;
  }
}
