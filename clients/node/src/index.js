// Unique, increasing 64-bit ids from id-alloc servers, counted in memory.
//
// A client keeps, for each tag, a current range of ids and one in reserve, which it fetches in the background. So `next` takes
// from memory, and an outage of the servers goes unnoticed while ids are there. Ids are unique; those of one client and tag
// rise as long as they come from one server, and in trend across servers. Ids in memory are lost when the process ends.
//
// Inside: tag.js hands ids out and fetches ranges, pace.js says how large they are, line.js which server is asked and when,
// wire.js what is a good answer, seen.js that none is used twice. Types and documentation of what is exported: index.d.ts.

export { Client } from "./client.js";
export { Tag } from "./tag.js";
export { Exhausted, IdAllocError, Unauthorized, Unavailable, UnknownTag } from "./errors.js";
