// Takes ids with ioredis and prints them: node client.mjs HOST PORT NAME TOKEN. Fails where an answer is not what it should be.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.IOREDIS}/`);
const { Redis } = require("ioredis");
const [host, port, username, password] = process.argv.slice(2);

const client = new Redis({ host, port, username, password, connectionName: "ioredis" });
assert.equal(await client.ping(), "PONG");
const ids = [];
for (let round = 0; round < 100; round++) ids.push(await client.incr("test"));
// Those that wait for no answer share the connection.
ids.push(...(await Promise.all(Array.from({ length: 100 }, () => client.incr("test")))));
const last = await client.incrby("test", 50);
for (let id = last - 49; id <= last; id++) ids.push(id);
for (const several of [client.pipeline(), client.multi()]) {
    for (let round = 0; round < 100; round++) several.incr("test");
    for (const [error, id] of await several.exec()) {
        assert.equal(error, null);
        ids.push(id);
    }
}
assert.deepEqual(ids, [...new Set(ids)].sort((a, b) => a - b));
assert.equal(Number(await client.get("test")), ids.at(-1));
assert.equal(await client.get("nosuch"), null);
assert.equal(await client.exists("test", "nosuch"), 1);
for (const change of [["set", "test", 1], ["decr", "test"], ["del", "test"], ["expire", "test", 5]]) {
    await assert.rejects(client[change[0]](...change.slice(1)), /is refused: ids only go up/);
}
await assert.rejects(client.incr("nosuch"), /unknown biz_tag/);
await assert.rejects(client.incrby("test", 0), /from 1 to/);
const stranger = new Redis({ host, port, username, password: "wrong", lazyConnect: true, retryStrategy: null });
stranger.on("error", () => {});
await assert.rejects(stranger.incr("test"));
stranger.disconnect();
await client.quit();
console.log(ids.join("\n"));
