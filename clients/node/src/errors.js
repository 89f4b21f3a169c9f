// What callers may be told. Every error says what the server said.

export class IdAllocError extends Error {
  constructor(message, { tag, server, status, code } = {}) {
    super(message);
    this.name = new.target.name;
    this.tag = tag;
    this.server = server;
    this.status = status;
    this.code = code;
  }
}

export class UnknownTag extends IdAllocError {}
export class Exhausted extends IdAllocError {}
export class Unauthorized extends IdAllocError {}
export class Unavailable extends IdAllocError {}

export function closed(tag) {
  return new IdAllocError(`tag ${JSON.stringify(tag)}: the client is closed`, { tag });
}
