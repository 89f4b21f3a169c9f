// Measures `next` and `tryNext` beside what else the language does in a loop, against a running server.
//
//   node bench.js http://127.0.0.1:8880 test 2    the last is how many seconds each measurement takes
//
// The tag needs a large step. Prints a line of JSON for each measurement, which scripts/bench reads.

import { Worker, isMainThread, workerData, parentPort } from "node:worker_threads";
import { fileURLToPath } from "node:url";

import { Client } from "./src/index.js";

// So many ids are taken between two looks at the clock.
const BATCH = 10_000;
let sink;

// Each loop is written out, since a function called with another one measures that call.
const LOOPS = {
  next: async (tag) => {
    for (let i = 0; i < BATCH; i++) sink = await tag.next();
  },
  "try next": async (tag) => {
    for (let i = 0; i < BATCH; i++) sink = tag.tryNext() ?? (await tag.next());
  },
  counter: async () => {
    let counter = 0n;
    for (let i = 0; i < BATCH; i++) sink = counter++;
  },
  "await of the counter": async () => {
    let counter = 0n;
    for (let i = 0; i < BATCH; i++) sink = await counter++;
  },
};

async function measure(what, seconds, tag) {
  const [began, used] = [performance.now(), process.cpuUsage()];
  let ids = 0;
  for (; performance.now() - began < seconds * 1000; ids += BATCH) await LOOPS[what](tag);
  const { user, system } = process.cpuUsage(used);
  return { what, threads: 1, ids, seconds: (performance.now() - began) / 1000, cpu: (user + system) / 1e6 };
}

/** Two workers, each with a client of its own, as a worker has to have it. */
async function measureWorkers(what, data) {
  const workers = [0, 1].map(() => new Worker(fileURLToPath(import.meta.url), { workerData: { ...data, what } }));
  const used = process.cpuUsage();
  const answers = await Promise.all(
    workers.map((worker) => new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject))),
  );
  const { user, system } = process.cpuUsage(used);
  const ids = answers.reduce((sum, answer) => sum + answer.ids, 0);
  const seconds = Math.max(...answers.map((answer) => answer.seconds));
  // They warm up for as long as they are measured.
  return { what, threads: 2, ids, seconds, cpu: (user + system) / 2e6 };
}

/** Nanoseconds of single calls, with what it takes to read the clock. */
async function latency(tag) {
  const times = new BigInt64Array(1_000_000);
  for (let i = 0; i < times.length; i++) {
    const began = process.hrtime.bigint();
    sink = await tag.next();
    times[i] = process.hrtime.bigint() - began;
  }
  times.sort();
  const at = (part) => Number(times[Math.floor(part * times.length)]);
  return { what: "latency", p50: at(0.5), p99: at(0.99), p999: at(0.999), ids: times.length };
}

const [address, name, seconds] = isMainThread
  ? [process.argv[2], process.argv[3], Number(process.argv[4])]
  : [workerData.address, workerData.name, workerData.seconds];
if (!(seconds > 0)) {
  console.error("usage: node bench.js ADDRESS TAG SECONDS");
  process.exit(2);
}
const client = new Client({ servers: [address] });
const tag = client.tag(name);
if (isMainThread) {
  for (const what of Object.keys(LOOPS)) {
    await measure(what, seconds, tag);
    console.log(JSON.stringify(await measure(what, seconds, tag)));
  }
  for (const what of ["next", "try next", "counter"]) {
    console.log(JSON.stringify(await measureWorkers(what, { address, name, seconds })));
  }
  console.log(JSON.stringify(await latency(tag)));
} else {
  await measure(workerData.what, seconds, tag);
  parentPort.postMessage(await measure(workerData.what, seconds, tag));
}
await client.close();
if (typeof sink !== "bigint") throw new Error("no ids came");
