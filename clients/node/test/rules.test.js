// The parts that read no clock and no network: sizes, ranges received, the choice of a server.

import assert from "node:assert/strict";
import test from "node:test";

import { FIRST_PAUSE, LONGEST_PAUSE, Line, MOST_RETRY_AFTER } from "../src/line.js";
import { Pace } from "../src/pace.js";
import { Refill } from "../src/refill.js";
import { MOST_RUNS, Seen } from "../src/seen.js";
import { Failure, MAX_ID, Server, integer } from "../src/wire.js";

/** The same numbers in each run. */
function chance(seed) {
  return (below) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
}

test("seen refuses exactly what it has seen", () => {
  const random = chance(1);
  const seen = new Seen();
  const ids = new Set();
  for (let round = 0; round < 10_000; round++) {
    const first = random(5000);
    const wanted = Array.from({ length: 1 + random(12) }, (_, i) => first + i);
    const free = wanted.every((id) => !ids.has(id));
    assert.equal(seen.add(BigInt(first), BigInt(wanted.length)), free);
    if (free) wanted.forEach((id) => ids.add(id));
  }
  // Neighbours are joined: as many runs as there are beginnings.
  assert.equal(seen.length, [...ids].filter((id) => !ids.has(id - 1)).length);
});

test("seen is bounded and forgets nothing", () => {
  const random = chance(2);
  const seen = new Seen();
  const given = [];
  for (let first = 0n; given.length < 5000; first += BigInt(11 + random(1000))) {
    assert.ok(seen.add(first, 10n), "a range above all others");
    given.push(first);
    assert.ok(seen.length <= MOST_RUNS);
  }
  for (const first of given) {
    assert.ok(!seen.add(first, 1n));
    assert.ok(!seen.add(first + 9n, 1n));
  }
});

test("seen keeps the largest gaps", () => {
  const seen = new Seen();
  seen.add(1n, 10n);
  for (let number = 0; number < 2 * MOST_RUNS; number++) seen.add(BigInt(5_000_000 + number * 20), 10n);
  assert.ok(seen.add(11n, 100_000n), "what another server still has below");
});

test("pace doubles at most", () => {
  const pace = new Pace(10_000, 1000);
  const sizes = [];
  for (let number = 0; number < 9; number++) {
    sizes.push(pace.next(0));
    if (number > 0) pace.usedUp(sizes[number - 1], 0);
  }
  assert.deepEqual(sizes, [16, 16, 32, 64, 128, 256, 512, 1000, 1000]);
});

test("pace follows the rate down at once", () => {
  const pace = new Pace(10_000, 1_000_000);
  pace.size = 8192;
  pace.usedUp(0, 0);
  pace.usedUp(8192, 8_192_000);
  assert.equal(pace.next(8_192_000), 10);
  pace.usedUp(10, 9e9);
  assert.equal(pace.next(9e9), 1);
});

test("pace does not count time without ids", () => {
  const pace = new Pace(10_000, 1_000_000);
  pace.size = 1000;
  pace.usedUp(0, 0);
  pace.ranDry(10_000);
  pace.ranDry(20_000);
  pace.arrived(100_000); // 90 s of outage
  pace.usedUp(1000, 100_000);
  assert.equal(pace.next(100_000), 1000);
});

test("pace permits less for good", () => {
  const pace = new Pace(10_000, 1000);
  pace.permit(100);
  pace.permit(500);
  assert.equal(pace.bound(700), 100);
  pace.permit(0);
  assert.equal(pace.bound(700), 1);
});

const servers = (number) => Array.from({ length: number }, (_, at) => new Server(`http://127.0.0.1:${at + 1}`));

function refused(status = 500, retryAfter = 0) {
  return Object.assign(new Failure("a server", status, "no"), { retryAfter });
}

test("the next server is asked at once, and stays", () => {
  const line = new Line(servers(3), 10_000);
  for (const at of [0, 1]) {
    assert.deepEqual(line.choose(1), { at, wait: 0 });
    line.failed(at, 1, refused());
  }
  assert.equal(line.choose(1).at, 2);
  line.succeeded(2);
  assert.equal(line.choose(1e5).at, 2);
  line.failed(2, 1e5, refused());
  assert.equal(line.choose(1e5).at, 0);
});

test("pauses grow and are bounded", () => {
  const line = new Line(servers(1), 10_000);
  for (let failures = 0, now = 1; failures < 40; failures++) {
    line.failed(0, now, refused());
    const { at, wait } = line.choose(now);
    const full = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures);
    assert.equal(at, -1);
    assert.ok(full / 2 - 1e-6 <= wait && wait <= full + 1e-6, `${wait} of ${full}`);
    now += wait + 1e-6;
    assert.equal(line.choose(now).at, 0);
  }
});

test("Retry-After is honoured within bounds", () => {
  for (const [said, least, most] of [[7000, 7000, 7700], [3_600_000, MOST_RETRY_AFTER, 66_000]]) {
    const line = new Line(servers(1), 10_000);
    line.failed(0, 1, refused(503, said));
    const { wait } = line.choose(1);
    assert.ok(least - 1e-6 <= wait && wait <= most + 1e-6, `${wait}`);
  }
});

test("a server that does not answer comes last for other tags too, a refusal is for its tag only", () => {
  const both = servers(2);
  const line = new Line(both, 10_000);
  const other = new Line(both, 10_000);
  line.failed(0, 1, refused(500));
  assert.equal(other.choose(1).at, 0);
  line.failed(0, 1, Object.assign(refused(), { status: undefined }));
  assert.equal(other.choose(1).at, 1);
  other.failed(1, 1, refused());
  assert.equal(other.choose(1).at, 0, "suspect, but all that is left");
  assert.equal(line.choose(31_000).at, 0, "and not for ever");
});

test("who gives up waiting for a refill leaves nothing behind", async () => {
  const refill = new Refill(16);
  const patient = refill.over(performance.now() + 60_000);
  const impatient = Array.from({ length: 100 }, () => refill.over(performance.now()));
  assert.deepEqual(new Set(await Promise.all(impatient)), new Set([false]));
  assert.equal(refill.waiting, 1);
  refill.end(undefined);
  assert.equal(await patient, true);
  assert.equal(await refill.over(0), true, "it is over");
  assert.equal(refill.waiting, 0);
});

test("integer reads digits and nothing else", () => {
  for (const [value, wanted] of [[5, 5n], ["5", 5n], ["007", 7n], [String(MAX_ID), MAX_ID]]) {
    assert.equal(integer(value), wanted);
  }
  for (const value of [true, -1, 1.5, 2 ** 53, null, undefined, "", "-1", "+1", " 1", "1_0", "0x1", "٣", "1.0", [1], 1n]) {
    assert.equal(integer(value), undefined);
  }
});
