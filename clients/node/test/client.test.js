// What is particular to JavaScript; the rest is in the conformance suite.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { MessageChannel } from "node:worker_threads";

import { Client, IdAllocError, Tag, Unavailable, UnknownTag } from "../src/index.js";
import { serverFor } from "./support.js";

async function clientFor(test, options = {}) {
  const server = await serverFor(test);
  const client = new Client({ servers: [server.address], ...options });
  test.after(() => client.close());
  return { server, client };
}

test("options that cannot work are refused", () => {
  const servers = ["http://127.0.0.1:8880"];
  for (const options of [
    {},
    { servers: [] },
    { servers: servers[0] },
    { servers: ["127.0.0.1:8880"] },
    { servers: ["ftp://127.0.0.1"] },
    { servers: ["http://"] },
    { servers: ["http://127.0.0.1:8880?a=b"] },
    { servers: ["http://user:password@127.0.0.1:8880"] },
    { servers: [...servers, "nonsense"] },
    { servers, maxRange: 0 },
    { servers, maxRange: 1.5 },
    { servers, maxRange: 2 ** 40 },
    { servers, deadline: 0 },
    { servers, deadline: NaN },
    { servers, rangeDuration: -1 },
    { servers, rangeDuration: Infinity },
    { servers, token: "token\n" },
    { servers, token: "" },
  ]) {
    assert.throws(() => new Client(options), /RangeError|TypeError/, JSON.stringify(options));
  }
});

test("ids are BigInts", async (t) => {
  const { client } = await clientFor(t);
  assert.equal(await client.tag("order").next(), 1n);
  assert.deepEqual(await client.tag("order").nextMany(3), [2n, 3n, 4n]);
});

test("errors say what the server said", async (t) => {
  const { server, client } = await clientFor(t);
  await assert.rejects(client.tag("nope").next(), (error) => {
    assert.ok(error instanceof UnknownTag && error instanceof IdAllocError && error instanceof Error);
    assert.equal(error.name, "UnknownTag");
    assert.deepEqual([error.tag, error.server, error.status, error.code], ["nope", server.address, 404, "unknown_tag"]);
    assert.equal(error.message, `tag "nope": ${server.address} answered 404 unknown_tag: unknown biz_tag`);
    return true;
  });
});

test("tryNext never waits, and has the next range fetched", async (t) => {
  const { server, client } = await clientFor(t);
  const tag = client.tag("order");
  server.hold();
  const asked = server.asked();
  assert.equal(tag.tryNext(), undefined);
  await asked;
  assert.equal(tag.tryNext(), undefined);
  const waiting = tag.next();
  server.go();
  assert.equal(await waiting, 1n);
  assert.equal(tag.tryNext(), 2n);
});

test("tryNext says that the client is closed", async (t) => {
  const { client } = await clientFor(t);
  await client.tag("order").next();
  await client.close();
  assert.throws(() => client.tag("order").tryNext(), /closed/);
});

test("nextMany wants at least one", async (t) => {
  const { client } = await clientFor(t);
  for (const n of [0, -1, 1.5, "3", undefined, 2 ** 60]) {
    await assert.rejects(client.tag("order").nextMany(n), IdAllocError);
  }
});

test("the handle of a tag is always the same, and nobody makes one", async (t) => {
  const { client } = await clientFor(t);
  assert.equal(client.tag("order"), client.tag("order"));
  assert.notEqual(client.tag("order"), client.tag("invoice"));
  assert.throws(() => client.tag(7), TypeError);
  assert.throws(() => new Tag(), TypeError);
});

test("what arrives of a client in a message is an empty object", async (t) => {
  const { client } = await clientFor(t);
  await client.tag("order").next();
  const { port1, port2 } = new MessageChannel();
  const arrived = new Promise((resolve) => port2.once("message", resolve));
  port1.postMessage(client);
  const copy = await arrived;
  port1.close();
  assert.deepEqual([Object.keys(copy), copy.tag], [[], undefined]);
});

test("many tags at once, without a warning", async (t) => {
  const warnings = [];
  const listen = (warning) => warnings.push(warning);
  process.on("warning", listen);
  const { client } = await clientFor(t);
  await Promise.all(Array.from({ length: 100 }, (_, number) => client.tag(`tag ${number}`).next()));
  await client.close();
  process.off("warning", listen);
  assert.deepEqual(warnings, []);
});

test("one who gives up leaves the others alone", async (t) => {
  const { server, client } = await clientFor(t, { deadline: 400 });
  server.hold();
  await assert.rejects(client.tag("order").next(), (error) => {
    assert.ok(error instanceof Unavailable);
    assert.match(error.message, /no ids within 400 ms/);
    return true;
  });
  const waiting = client.tag("invoice").next();
  server.go();
  assert.equal(typeof (await waiting), "bigint");
});

test("await using closes the client", { skip: !Symbol.asyncDispose }, async (t) => {
  const { client } = await clientFor(t);
  await client[Symbol.asyncDispose]();
  await assert.rejects(client.tag("order").next(), /closed/);
});

test("the README's snippet runs", async (t) => {
  const server = await serverFor(t, { first: 1001n });
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const [, snippet] = readme.match(/```js\n(.*?)```/s);
  const code = snippet
    .replace(/"http:[^"]*"/, JSON.stringify(server.address))
    .replace('"id-alloc-client"', JSON.stringify(new URL("../src/index.js", import.meta.url).href));
  const printed = [];
  t.mock.method(console, "log", (...values) => printed.push(...values));
  await import(`data:text/javascript,${encodeURIComponent(code)}`);
  t.mock.restoreAll();
  assert.deepEqual(printed, [1001n, [1002n, 1003n, 1004n]]);
});
