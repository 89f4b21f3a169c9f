// What all tags of a client share.

import { setMaxListeners } from "node:events";

import { Tag } from "./tag.js";
import { Server } from "./wire.js";

const LONGEST_TIMER = 2 ** 31 - 1;

/** Hands out ids of any number of tags. See index.d.ts. */
export class Client {
  // Private, so that a copy of the object has none of it: structuredClone and messages to workers give an empty object.
  #core;
  #tags = new Map();

  /** `now` is the clock that rates are measured with; tests replace it. */
  constructor(options, now = () => performance.now()) {
    this.#core = new Core(options, now);
  }

  tag(name) {
    if (typeof name !== "string") throw new TypeError(`a tag's name is a string, not ${typeof name}`);
    let tag = this.#tags.get(name);
    if (tag === undefined) {
      tag = new Tag(this.#core, name);
      this.#tags.set(name, tag);
    }
    return tag;
  }

  async close() {
    for (const tag of this.#tags.values()) tag.drop();
    await this.#core.close();
  }
}

if (Symbol.asyncDispose) {
  Client.prototype[Symbol.asyncDispose] = function () {
    return this.close();
  };
}

/** Options and resources. */
class Core {
  #aborter = new AbortController();
  #running = new Set();

  constructor({ servers, token, rangeDuration = 10_000, maxRange = 10_000_000, deadline = 10_000 }, now) {
    if (!Array.isArray(servers) || servers.length === 0) {
      throw new TypeError('servers is a list of at least one address, such as ["http://127.0.0.1:8880"]');
    }
    for (const [name, value] of Object.entries({ rangeDuration, deadline })) {
      if (!(value > 0 && value <= LONGEST_TIMER)) {
        throw new RangeError(`${name} is ${value}; it is a number of milliseconds above 0, at most ${LONGEST_TIMER}`);
      }
    }
    // What is larger would not fit into an unsigned shift, nor make sense.
    if (!Number.isInteger(maxRange) || maxRange < 1 || maxRange > LONGEST_TIMER) {
      throw new RangeError(`maxRange is ${maxRange}; it is a whole number from 1 to ${LONGEST_TIMER}`);
    }
    if (token !== undefined && !/^[!-~]+$/.test(token)) {
      throw new TypeError("token has a character that no token has, such as a line end");
    }
    this.servers = servers.map((address) => new Server(address));
    // Each request on its way listens; there is one per tag.
    setMaxListeners(0, this.closing);
    Object.assign(this, { token, rangeDuration, maxRange, deadline, now });
  }

  /** Aborted once the client is closed. */
  get closing() {
    return this.#aborter.signal;
  }

  /** Notes a promise that `close` has to wait for. */
  run(work) {
    const done = work.finally(() => this.#running.delete(done));
    this.#running.add(done);
  }

  async close() {
    this.#aborter.abort();
    await Promise.all(this.#running);
    for (const server of this.servers) server.close();
  }
}
