// Calls of this server's API.

// JSON whose integers keep all their digits: those that a double cannot hold become strings.
export function parse(text) {
  const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  return JSON.parse(text.replace(token, (found) => (/^-?\d{16,}$/.test(found) ? `"${found}"` : found)));
}

// An object as JSON; a BigInt is written as a number.
export function json(object) {
  const value = (it) => (typeof it === "bigint" ? it.toString() : JSON.stringify(it));
  const fields = Object.entries(object).filter(([, it]) => it !== undefined);
  return `{${fields.map(([name, it]) => `${JSON.stringify(name)}:${value(it)}`).join(",")}}`;
}

// Why a call did not succeed: RFC 9457's fields. The status is 0 where no answer came.
export class Refused extends Error {
  constructor(status, title, detail, code) {
    super(detail);
    Object.assign(this, { status, title, detail, code });
  }

  // Whatever was thrown; a fault of this page is said on it too.
  static of(error) {
    if (error instanceof Refused) return error;
    console.error(error);
    return new Refused(0, "This page failed", error.message, "page_failed");
  }
}

const PATIENCE = 15_000; // milliseconds

// A token as it was typed; a header can carry no other.
export function tokenOf(typed) {
  const token = typed.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new Refused(0, "That is not a token", "A token is one word and begins with ida_.", "no_token");
}

// Gives `{ data, etag }`, or throws a Refused.
export async function call(token, method, path, body, conditions = {}, patience = PATIENCE) {
  const headers = { ...conditions };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers["content-type"] = "application/json";
  let response, text;
  try {
    const signal = AbortSignal.timeout(patience);
    response = await fetch(path, { method, headers, body, signal, cache: "no-store" });
    text = await response.text();
  } catch (error) {
    const slow = error.name === "TimeoutError";
    const why = slow ? `It did not answer within ${patience / 1000} s.` : "It cannot be reached: stopped, restarting, or the network is cut.";
    const done = method === "GET" ? "" : " What was asked may have been done: look before it is repeated.";
    throw new Refused(0, "No answer from this server", why + done, "no_answer");
  }
  let data;
  try {
    data = parse(text);
  } catch {
    throw new Refused(response.status, `Status ${response.status}`, "The answer is not JSON; a proxy in between may have written it.", "not_json");
  }
  if (!response.ok) {
    throw new Refused(response.status, data.title ?? "Refused", data.detail ?? data.msg ?? text, data.code);
  }
  // A proxy that compresses weakens the entity tag; that of the row is meant.
  return { data, etag: response.headers.get("etag")?.replace(/^W\//, "") };
}

export const pathOf = (tag) => `/admin/v1/tags/${encodeURIComponent(tag)}`;
