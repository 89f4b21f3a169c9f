// How many ids a second come from memory, beside what else the language does in a loop.
//
//   node bench.js     in millions a second, on one thread; the best of five rounds

import { createServer } from "node:http";
import { once } from "node:events";

import { Client } from "./src/index.js";

const CALLS = 5_000_000;
const ROUNDS = 5;

async function report(name, round) {
  let best = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const begun = performance.now();
    await round();
    best = Math.max(best, CALLS / (performance.now() - begun) / 1000);
  }
  console.log(`${name.padEnd(36)} ${best.toFixed(1).padStart(7)} million/s`);
}

let first = 1n;
const server = createServer((request, response) => {
  const count = BigInt(new URL(request.url, "http://server").searchParams.get("count"));
  response.end(`{"errno":0,"msg":"success","first":"${first}","count":"${count}"}`);
  first += count;
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const client = new Client({ servers: [`http://127.0.0.1:${server.address().port}`] });
const tag = client.tag("order");
await tag.nextMany(1000);

let sink;
await report("tag.tryNext() ?? (await tag.next())", async () => {
  for (let i = 0; i < CALLS; i++) sink = tag.tryNext() ?? (await tag.next());
});
await report("await tag.next()", async () => {
  for (let i = 0; i < CALLS; i++) sink = await tag.next();
});
await report("a plain BigInt counter", () => {
  let counter = 0n;
  for (let i = 0; i < CALLS; i++) sink = counter++;
});
await report("await of that counter", async () => {
  let counter = 0n;
  for (let i = 0; i < CALLS; i++) sink = await counter++;
});
await report("await of a promise of it", async () => {
  let counter = 0n;
  for (let i = 0; i < CALLS; i++) sink = await Promise.resolve(counter++);
});
await client.close();
server.close();
server.closeAllConnections();
if (typeof sink !== "bigint") throw new Error("no ids came");
