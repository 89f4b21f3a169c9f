/// <reference lib="esnext.disposable" />

/** Options of a client. Only `servers` is needed. */
export interface ClientOptions {
  /**
   * Base addresses such as `"http://10.0.0.1:8880"`. The first is asked until it fails, then the next one at once. Let
   * processes list them in different orders to spread their load.
   */
  servers: readonly string[];
  /** Sent as `Authorization: Bearer TOKEN`. */
  token?: string | undefined;
  /**
   * How many milliseconds one range should last at the current rate (10,000). Longer survives longer outages; up to twice
   * as much is lost when the process ends.
   */
  rangeDuration?: number | undefined;
  /** The largest range (10,000,000, as `limits.max_range` of the server). */
  maxRange?: number | undefined;
  /**
   * How many milliseconds a call waits for ids when none are in memory (10,000). One attempt at one server takes at most a
   * quarter of it.
   */
  deadline?: number | undefined;
}

/**
 * Hands out ids of any number of tags. Make one per process; a worker makes its own. It does not keep the process alive,
 * except while a call waits.
 */
export class Client {
  constructor(options: ClientOptions);
  /** The handle of a tag; always the same one. */
  tag(name: string): Tag;
  /** Ends those who wait with an {@link IdAllocError}, cancels requests on their way, drops the ids in memory. */
  close(): Promise<void>;
  /** `await using client = new Client(…)` closes it. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Hands out the ids of one tag; made by {@link Client.tag}. */
export class Tag {
  private constructor();
  readonly name: string;
  /** An id. Waits only when none is in memory, at most the client's deadline. */
  next(): Promise<bigint>;
  /**
   * An id from memory, or undefined where there is none just now, without waiting and without a promise. The next range
   * is fetched all the same: `tag.tryNext() ?? (await tag.next())` is the fastest way to ids.
   *
   * Throws an {@link IdAllocError} only if the client is closed.
   */
  tryNext(): bigint | undefined;
  /** `n` ids, which need not follow each other without gaps. Either all come or an error. */
  nextMany(n: number): Promise<bigint[]>;
}

/** Base of all errors; itself for what has no class of its own, such as a closed client. Its message says what the server said. */
export class IdAllocError extends Error {
  /** The tag whose ids were wanted. */
  readonly tag: string | undefined;
  /** The server that refused, with its HTTP status and code (`unknown_tag`, …); undefined where no single answer was the reason. */
  readonly server: string | undefined;
  readonly status: number | undefined;
  readonly code: string | undefined;
}

/** The tag does not exist. Create it (`id-alloc tag create`). */
export class UnknownTag extends IdAllocError {}
/** No ids are left below the server's `allocation.id_limit`. */
export class Exhausted extends IdAllocError {}
/** The token is missing, wrong, or good for other tags only. */
export class Unauthorized extends IdAllocError {}
/** No ids came within the deadline. Another attempt later may succeed. */
export class Unavailable extends IdAllocError {}
