// The adapter of the conformance suite (../../conformance/README.md):
//
//   python3 ../conformance/run.py -- node test/adapter.js

import readline from "node:readline";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";

import { Client, IdAllocError } from "../src/index.js";

const clients = new Map();

function optionsOf({ servers, token, range_duration_ms, max_range, deadline_ms }) {
  return { servers, token, rangeDuration: range_duration_ms, maxRange: max_range, deadline: deadline_ms };
}

const commands = {
  open(command) {
    const clock = { now: 1000 };
    const options = optionsOf(command);
    const client = command.manual_clock ? new Client(options, () => clock.now) : new Client(options);
    clients.set(command.client, { client, clock, options });
    return {};
  },
  async next({ client, tag, times, count_waits }) {
    const handle = clients.get(client).client.tag(tag);
    if (!count_waits) return draw(handle, times);
    const ids = [];
    let waited = 0;
    try {
      while (ids.length < times) {
        let id = handle.tryNext();
        if (id === undefined) {
          waited++;
          id = await handle.next();
        }
        ids.push(id);
      }
    } catch (error) {
      return { runs: runs(ids), waited, error: told(error) };
    }
    return { runs: runs(ids), waited };
  },
  async next_many({ client, tag, n }) {
    try {
      return { runs: runs(await clients.get(client).client.tag(tag).nextMany(n)) };
    } catch (error) {
      return { runs: [], error: told(error) };
    }
  },
  async threads({ client, tag, threads, times }) {
    const handle = () => clients.get(client).client.tag(tag);
    const results = await Promise.all(Array.from({ length: threads }, () => draw(handle(), times)));
    const failed = results.find((result) => result.error);
    return { by_thread: results.map((result) => result.runs), ...(failed && { error: failed.error }) };
  },
  async elsewhere({ client: name, tag, how, times }) {
    const { client, options } = clients.get(name);
    if (how === "worker") return inWorker(options, tag, times);
    try {
      structuredClone(client).tag(tag);
      return { failed: "structuredClone made a client" };
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    const copy = Object.assign(Object.create(Object.getPrototypeOf(client)), client);
    try {
      return await draw(copy.tag(tag), times);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return { refused: error.message };
    }
  },
  clock({ client, advance_ms }) {
    clients.get(client).clock.now += advance_ms;
    return {};
  },
  async close({ client }) {
    await clients.get(client).client.close();
    return {};
  },
};

/** Draws in a worker, with a client of the worker's own: there is no way to send it one. */
function inWorker(options, tag, times) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { options, tag, times } });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

async function draw(tag, times) {
  const ids = [];
  try {
    // Both ways of asking, in turns.
    for (let i = 0; i < times; i++) ids.push((i % 2 ? tag.tryNext() : undefined) ?? (await tag.next()));
  } catch (error) {
    return { runs: runs(ids), error: told(error) };
  }
  return { runs: runs(ids) };
}

function runs(ids) {
  const found = [];
  for (const id of ids) {
    const last = found.at(-1);
    if (last && last.first + BigInt(last.count) === id) last.count++;
    else found.push({ first: id, count: 1 });
  }
  return found.map(({ first, count }) => [String(first), count]);
}

function told(error) {
  if (!(error instanceof IdAllocError)) throw error;
  return { type: error.constructor.name, message: error.message };
}

function say(reply) {
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

async function answer(command) {
  try {
    say({ id: command.id, ...(await commands[command.do](command)) });
  } catch (error) {
    say({ id: command.id, failed: String(error.stack) });
  }
}

if (isMainThread) {
  say({ hello: { can: ["manual_clock", "count_waits", "worker", "copy"] } });
  readline.createInterface({ input: process.stdin }).on("line", (line) => answer(JSON.parse(line)));
} else {
  const { options, tag, times } = workerData;
  const client = new Client(options);
  const result = await draw(client.tag(tag), times);
  await client.close();
  parentPort.postMessage(result);
}
