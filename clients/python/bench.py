"""Measures `next` beside a plain counter, against a running server.

    python3 bench.py http://127.0.0.1:8880 test 2    the last is how many seconds each measurement takes

The tag needs a large step. Prints a line of JSON for each measurement, which scripts/bench reads.
"""

import asyncio
import itertools
import json
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent / "src"))
from id_alloc_client import AsyncClient, Client

# So many ids are taken between two looks at the clock.
BATCH = 10_000


class LockedCounter:
    """What a counter for threads looks like without a library."""

    def __init__(self):
        self.lock, self.value = threading.Lock(), 0

    def next(self):
        with self.lock:
            self.value += 1
            return self.value


def report(**measured):
    print(json.dumps(measured), flush=True)


def measure(what, threads, seconds, take):
    ids = []

    def work():
        taken = 0
        while time.perf_counter() - began < seconds:
            for _ in itertools.repeat(None, BATCH):
                take()
            taken += BATCH
        ids.append(taken)

    began, used = time.perf_counter(), time.process_time()
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    measured = {"ids": sum(ids), "seconds": time.perf_counter() - began, "cpu": time.process_time() - used}
    if what:
        report(what=what, threads=threads, **measured)


async def measure_async(what, seconds, tag):
    ids, began, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        for _ in itertools.repeat(None, BATCH):
            await tag.next()
        ids += BATCH
    measured = {"ids": ids, "seconds": time.perf_counter() - began, "cpu": time.process_time() - used}
    if what:
        report(what=what, threads=1, **measured)


def latency(take):
    """Nanoseconds of single calls, with what it takes to read the clock."""
    times, clock = [], time.perf_counter_ns
    for _ in itertools.repeat(None, 1_000_000):
        began = clock()
        take()
        times.append(clock() - began)
    times.sort()
    p50, p99, p999 = (times[int(part * len(times))] for part in (0.5, 0.99, 0.999))
    report(what="latency", p50=p50, p99=p99, p999=p999, ids=len(times))


async def asynchronous(address, tag, seconds):
    async with AsyncClient([address]) as client:
        await measure_async(None, seconds, client.tag(tag))
        await measure_async("async next", seconds, client.tag(tag))


def main():
    if len(sys.argv) != 4:
        raise SystemExit("usage: bench.py ADDRESS TAG SECONDS")
    address, tag, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    with Client([address]) as client:
        take = client.tag(tag).next
        measure(None, 1, seconds, take)  # so that ranges have their size
        for threads in (1, 2):
            measure("next", threads, seconds, take)
            measure("counter", threads, seconds, LockedCounter().next)
        latency(take)
    asyncio.run(asynchronous(address, tag, seconds))


if __name__ == "__main__":
    main()
