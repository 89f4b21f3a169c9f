// The ranges of one tag: handing out, changing over, fetching.

import { setTimeout as sleep } from "node:timers/promises";

import { IdAllocError, Unavailable, closed } from "./errors.js";
import { Line } from "./line.js";
import { Pace } from "./pace.js";
import { Refill } from "./refill.js";
import { Seen } from "./seen.js";
import { Failure } from "./wire.js";

/** Hands out the ids of one tag; made by `Client.tag`. */
export class Tag {
  #core;
  // The current range: its next id, the one after its last, and how many it had.
  #next = 0n;
  #end = 0n;
  #size = 0;
  /** The range after it, `{ first, count }`; undefined while it is fetched. */
  #reserve;
  /** The fetch on its way; undefined if there is none. */
  #refill;
  /** How many ids the callers wait for who found none in memory. */
  #waiting = 0;
  #pace;
  #seen = new Seen();
  #line;

  constructor(core, name) {
    this.#core = core;
    this.name = name;
    this.#pace = new Pace(core.rangeDuration, core.maxRange);
    this.#line = new Line(core.servers, core.deadline);
    Object.freeze(this);
  }

  next() {
    const id = this.#next;
    if (id < this.#end) {
      this.#next = id + 1n;
      return Promise.resolve(id);
    }
    return this.#wait(1, undefined).then(([first]) => first);
  }

  tryNext() {
    const id = this.#next;
    if (id < this.#end) {
      this.#next = id + 1n;
      return id;
    }
    this.#advance();
    return this.#take(1)[0];
  }

  async nextMany(n) {
    if (!Number.isSafeInteger(n) || n < 1) {
      throw this.#error(IdAllocError, `nextMany wants at least 1 id, not ${n}`);
    }
    const ids = this.#take(n);
    const until = performance.now() + this.#core.deadline;
    while (ids.length < n) {
      for (const id of await this.#wait(n - ids.length, until)) ids.push(id);
    }
    return ids;
  }

  /** Nobody gets another id. The fetch on its way ends by itself, as the client cancels it. */
  drop() {
    this.#next = this.#end = 0n;
    this.#reserve = undefined;
  }

  /** Up to n ids from memory, perhaps none. */
  #take(n) {
    const ids = [];
    for (; ids.length < n && this.#next < this.#end; this.#next++) ids.push(this.#next);
    return ids;
  }

  /** Up to n ids, at least one; waits while there are none. */
  async #wait(n, until = performance.now() + this.#core.deadline) {
    for (;;) {
      this.#advance();
      const ids = this.#take(n);
      if (ids.length > 0) return ids;
      const refill = this.#fetch(n);
      try {
        if (!(await refill.over(until))) throw this.#late();
      } finally {
        this.#waiting -= n;
      }
      if (refill.error) throw refill.error();
    }
  }

  /** Makes the reserve the current range if that is used up, and sees to it that the next one is fetched. */
  #advance() {
    if (this.#core.closing.aborted) throw closed(this.name);
    if (this.#next < this.#end) return;
    const now = this.#core.now();
    if (this.#reserve) {
      this.#pace.usedUp(this.#size, now);
      this.#next = this.#reserve.first;
      this.#size = this.#reserve.count;
      this.#end = this.#next + BigInt(this.#size);
      this.#reserve = undefined;
    } else {
      this.#pace.ranDry(now);
    }
    this.#fetch(0);
  }

  /** The fetch on its way, or a new one; counts the caller as one who waits for n ids. */
  #fetch(n) {
    this.#waiting += n;
    if (!this.#refill) {
      this.#refill = new Refill(this.#pace.next(this.#core.now()));
      this.#core.run(this.#run(this.#refill));
    }
    return this.#refill;
  }

  async #run(refill) {
    let error;
    try {
      error = await this.#refillNow(refill);
    } catch (fault) {
      // A fault of this library: those who wait are told.
      error = () => this.#error(IdAllocError, String(fault?.stack ?? fault));
    }
    this.#refill = undefined;
    refill.end(error);
  }

  /** Attempts until a range has come; else returns what makes the error. */
  async #refillNow(refill) {
    const core = this.#core;
    // After the caller has said how many ids it waits for.
    await undefined;
    while (!core.closing.aborted) {
      const { at, wait } = this.#line.choose(performance.now());
      if (at < 0) {
        await sleep(wait, undefined, { signal: core.closing, ref: false }).catch(() => {});
        continue;
      }
      const count = this.#pace.bound(Math.max(refill.size >>> Math.min(refill.shrink, 4), this.#waiting));
      const answer = await core.servers[at].ask(this.name, count, core.token, core.deadline / 4, core.closing);
      if (core.closing.aborted) break;
      const outcome = this.#settle(refill, at, count, answer);
      if (outcome.over) return outcome.error;
    }
    return () => closed(this.name);
  }

  /** Takes note of an attempt's outcome: whether the refill is over, and with which error. */
  #settle(refill, at, count, answer) {
    if (!(answer instanceof Failure) && !this.#seen.add(answer, BigInt(count))) {
      const last = answer + BigInt(count) - 1n;
      answer = this.#core.servers[at].bad(
        `ids ${answer} to ${last}, of which this client was given some before; is there a cache or a proxy that repeats answers?`,
      );
    }
    if (!(answer instanceof Failure)) {
      this.#line.succeeded(at);
      this.#reserve = { first: answer, count };
      this.#pace.arrived(this.#core.now());
      return { over: true };
    }
    if (answer.tooMany && count > 1) {
      this.#pace.permit(Math.floor(count / 2));
      return { over: false };
    }
    if (answer.final) {
      return { over: true, error: () => this.#error(answer.final, String(answer), answer) };
    }
    if (answer.code === "no_available_id") refill.shrink++;
    this.#line.failed(at, performance.now(), answer);
    return { over: false };
  }

  /** What a caller is told whose deadline has passed. */
  #late() {
    const trouble = this.#line.trouble;
    const text = `no ids within ${this.#core.deadline} ms`;
    return this.#error(Unavailable, trouble ? `${text}: ${trouble}` : text, trouble);
  }

  #error(kind, text, failure = {}) {
    const { server, status, code } = failure;
    return new kind(`tag ${JSON.stringify(this.name)}: ${text}`, { tag: this.name, server, status, code: code || undefined });
  }
}
