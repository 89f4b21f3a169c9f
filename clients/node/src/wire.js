// One attempt at one server: the request, and what is a good answer.

import http from "node:http";
import https from "node:https";

import { Exhausted, IdAllocError, Unauthorized, UnknownTag } from "./errors.js";

export const MAX_ID = 2n ** 63n - 1n;
/** What is read of an answer; one with ids has about 60 bytes. */
const MAX_BODY = 64 * 1024;

/** Why an attempt brought no ids. */
export class Failure {
  /** Milliseconds, 0 where the server did not say. */
  retryAfter = 0;
  code = "";
  /** The class to raise at once, as no other attempt would help. */
  final;
  /** The server permits fewer ids at once. */
  tooMany = false;

  /** `status` is undefined where no whole answer came. */
  constructor(server, status, message) {
    this.server = server;
    this.status = status;
    this.message = message;
  }

  toString() {
    if (this.status === undefined) return `${this.server}: ${this.message}`;
    return `${this.server} answered ${this.status}${this.code && " "}${this.code}: ${this.message}`;
  }
}

/** One address with its kept connections. */
export class Server {
  /** It did not answer at all lately, so it is tried last until then, or until it answers. */
  suspectUntil = 0;
  #url;
  #agent;
  #protocol;

  constructor(address) {
    let url;
    try {
      url = new URL(address);
    } catch {
      url = undefined;
    }
    if (!url || !["http:", "https:"].includes(url.protocol) || url.username || url.password || url.search || url.hash) {
      throw new TypeError(
        `server address ${JSON.stringify(address)}: want http://HOST:PORT or https://HOST:PORT, perhaps with a path`,
      );
    }
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/range`;
    this.name = address.replace(/\/+$/, "");
    this.#url = url;
    this.#protocol = url.protocol === "https:" ? https : http;
    this.#agent = new this.#protocol.Agent({ keepAlive: true, maxFreeSockets: 8 });
  }

  /** Asks for a range once; the first id of it (a BigInt), or a Failure. */
  async ask(tag, count, token, milliseconds, closing) {
    const url = new URL(this.#url);
    url.search = new URLSearchParams({ biz_tag: tag, count: String(count), format: "string" }).toString();
    const headers = { Accept: "application/json", "Cache-Control": "no-store", "Content-Length": 0 };
    if (token !== undefined) headers.Authorization = `Bearer ${token}`;
    let answer;
    try {
      answer = await this.#exchange(url, headers, milliseconds, closing);
    } catch (error) {
      return new Failure(this.name, undefined, error.message || error.code || String(error));
    }
    const { response, body } = answer;
    if (response.statusCode !== 200) return this.#refusal(response, body);
    if (response.headers.age !== undefined) {
      return this.bad("an answer from a cache (it has an Age header), which somebody else may have been given too");
    }
    return parse(body, count, (message) => this.bad(message));
  }

  async #exchange(url, headers, milliseconds, closing) {
    const attempt = new AbortController();
    const give_up = (message) => attempt.abort(new Error(message));
    // Nothing here keeps the process alive; who waits does, with a timer of its own.
    const timer = setTimeout(give_up, milliseconds, "no answer in time").unref();
    const closed = () => give_up("the client is closed");
    closing.addEventListener("abort", closed, { once: true });
    if (closing.aborted) closed();
    try {
      for (;;) {
        const { request, answered } = this.#send(url, headers, attempt.signal);
        try {
          return await read(await answered);
        } catch (error) {
          if (attempt.signal.aborted) throw attempt.signal.reason;
          // A kept connection that the server closed meanwhile is no failure.
          if (!request.reusedSocket || request.res) throw error;
        } finally {
          if (!request.res?.complete) request.destroy();
        }
      }
    } finally {
      clearTimeout(timer);
      closing.removeEventListener("abort", closed);
    }
  }

  #send(url, headers, signal) {
    const request = this.#protocol.request(url, { method: "POST", agent: this.#agent, headers, signal });
    const answered = new Promise((resolve, reject) => {
      request.on("socket", (socket) => socket.unref());
      request.on("response", resolve);
      request.on("error", reject);
    });
    request.end();
    return { request, answered };
  }

  /** What a status other than 200 means. */
  #refusal(response, body) {
    const failure = new Failure(this.name, response.statusCode, beginning(body));
    const said = json(body);
    if (typeof said?.msg === "string") {
      failure.message = said.msg;
      failure.code = String(said.code ?? "");
    }
    const after = response.headers["retry-after"] ?? "";
    if (/^[0-9]{1,9}$/.test(after)) failure.retryAfter = Number(after) * 1000;
    if (failure.status === 404 && failure.code === "unknown_tag") {
      failure.final = UnknownTag;
    } else if (failure.code === "tag_exhausted") {
      failure.final = Exhausted;
    } else if (failure.status === 401 || failure.status === 403) {
      failure.final = Unauthorized;
    } else if ([400, 413, 414, 431].includes(failure.status)) {
      failure.final = IdAllocError;
      failure.tooMany = failure.code === "invalid_count";
    }
    return failure;
  }

  bad(message) {
    return new Failure(this.name, 200, message);
  }

  close() {
    this.#agent.destroy();
  }
}

/** The whole body; fails where it breaks off or does not end. */
async function read(response) {
  const chunks = [];
  let length = 0;
  for await (const chunk of response) {
    length += chunk.length;
    if (length > MAX_BODY) throw new Error("the answer does not end");
    chunks.push(chunk);
  }
  if (!response.complete) throw new Error("the answer broke off");
  return { response, body: Buffer.concat(chunks).toString() };
}

/** The first id of an answer that is exactly what was asked for, else what `bad` makes of it. */
function parse(body, count, bad) {
  const answer = json(body);
  const first = integer(answer?.first);
  const got = integer(answer?.count);
  if (answer?.errno !== 0 || first === undefined || got === undefined) {
    return bad(`no answer with ids: ${beginning(body)}`);
  }
  if (got !== BigInt(count)) return bad(`${got} ids, where ${count} were asked for`);
  if (first + got - 1n > MAX_ID) return bad(`${count} ids from ${first} on, which is past 64 bits`);
  return first;
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A string of digits, or a number without a fraction that JSON.parse cannot have rounded. */
export function integer(value) {
  if (typeof value === "string" && /^[0-9]{1,19}$/.test(value)) return BigInt(value);
  if (Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  return undefined;
}

/** As much of a body as fits into a message. */
function beginning(body) {
  const text = body.slice(0, 1000).replace(/\s+/g, " ").trim();
  return (text.length > 200 ? `${text.slice(0, 200)}…` : text) || "an empty body";
}
