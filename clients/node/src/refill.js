// The fetch of one range, as those see it who wait for it.

/** Attempts until one succeeds, the servers refuse for good, or the client closes. */
export class Refill {
  /** How often a server had no ids for this size: the next attempt asks for less. */
  shrink = 0;
  /** Makes the error for each who waits; undefined if the range has come. */
  error;
  #over = false;
  #waiting = new Set();

  constructor(size) {
    this.size = size;
  }

  /** How many wait. Who gives up leaves nothing behind, however long an outage lasts. */
  get waiting() {
    return this.#waiting.size;
  }

  /** Tells those who wait. */
  end(error) {
    this.error = error;
    this.#over = true;
    for (const tell of [...this.#waiting]) tell();
  }

  /** Whether it is over before `until`, by the clock of `performance`. This alone keeps the process alive. */
  over(until) {
    if (this.#over) return Promise.resolve(true);
    return new Promise((resolve) => {
      let timer;
      const leave = (over) => {
        clearTimeout(timer);
        this.#waiting.delete(told);
        resolve(over);
      };
      const told = () => leave(true);
      const look = () => {
        const left = until - performance.now();
        // A timer may end a little early.
        if (left > 0) timer = setTimeout(look, Math.ceil(left));
        else leave(false);
      };
      this.#waiting.add(told);
      look();
    });
  }
}
