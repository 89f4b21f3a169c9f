"""All that should be nobody's business at once: many tags loaded, pollers without a pause, a scrape a second, a flood of
names that no tag has, locked rows, and a log that nobody reads. What callers of warm tags notice of it is held against the
same server when it is quiet, and against the same load on a server beside it, which takes as much of the machine.

By itself, `./scripts/bench everything`, since it takes twenty minutes (`--quick`: two)."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time

import load
from load import Run
from processes import Failed, Process, eventually
from report import Row, medians
from rows import Plan
from servers import START, Server, World, free_port, get

WARM, LOCKED, POLLERS, FLOODERS = 8, 10, 4, 48
FLOOD_SCRIPT = load.WRK_SCRIPT.with_name("flood.lua")


def unread(world: World, url: str) -> Server:
    """A server whose log is a pipe that nobody reads, and that is full."""
    _, log = os.pipe()
    os.set_blocking(log, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(log, b"full" * 1024)
    os.set_blocking(log, True)
    env = world.environment(server__port=str(free_port()), database__url=url)
    process = Process("id-alloc", [world.target / "id-alloc"], world.work, env, log)
    server = Server(process, f"127.0.0.1:{env['ID_ALLOC__SERVER__PORT']}")

    def stands() -> bool:
        with contextlib.suppress(OSError):
            return get(server.address, "/livez")[0] == 200
        return False

    eventually("the server answers", stands)
    return server


class Others:
    """All the others, for as long as it lasts, on one server."""

    def __init__(self, world: World, url: str, server: Server, cold: str):
        self.world, self.database, self.server, self.cold = world, url.rpartition("/")[2], server, cold
        self.ended = threading.Event()
        self.slowest_cold, self.cold_refused, self.most_connections, self.asked = 0.0, 0, 0, 0
        self.load: list[subprocess.Popen] = []
        self.threads = [threading.Thread(target=self.once_a_second), threading.Thread(target=self.look_at_database)]
        self.threads += [threading.Thread(target=self.want_locked, args=(number,)) for number in range(1, LOCKED + 1)]

    def __enter__(self) -> "Others":
        self.locks = self.world.session(self.database)
        # By their names: a range would lock the row behind it too, which is that of a warm tag.
        names = ", ".join(f"'locked{number}'" for number in range(1, LOCKED + 1))
        self.locks.stdin.write(f"BEGIN; SELECT biz_tag FROM segments WHERE biz_tag IN ({names}) FOR UPDATE;\n")
        self.locks.stdin.flush()
        # So long that it is ended, not waited for.
        call = ["wrk", "-d3600s", "--timeout", "30s", "-t1"]
        flood = [*call, f"-c{FLOODERS}", "-s", str(FLOOD_SCRIPT), self.server.url("/alloc")]
        for command in flood, [*call, f"-c{POLLERS}", self.server.url("/health")]:
            env = os.environ | {"FLOOD": f"-{time.monotonic_ns()}"}
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
            self.load.append(child)
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.ended.set()
        outputs = []
        for child in self.load:
            child.send_signal(2)  # wrk then says what it saw
            outputs.append(child.communicate(timeout=60)[0])
        for thread in self.threads:
            thread.join()
        self.locks.stdin.close()
        self.locks.wait(30)
        words = next(line for line in outputs[0].splitlines() if line.startswith("RESULT ")).split()
        self.flood_rate = int(words[1]) / (int(words[2]) / 1e6)

    def once_a_second(self) -> None:
        """A scrape, and a tag that was never asked for."""
        while not self.ended.wait(1):
            self.asked += 1
            get(self.server.address, "/metrics")
            began = time.monotonic()
            status, _ = get(self.server.address, f"/alloc?biz_tag={self.cold}{self.asked}")
            self.slowest_cold = max(self.slowest_cold, time.monotonic() - began)
            self.cold_refused += status != 200

    def want_locked(self, number: int) -> None:
        while not self.ended.is_set():
            get(self.server.address, f"/alloc?biz_tag=locked{number}")

    def look_at_database(self) -> None:
        while not self.ended.wait(1):
            self.most_connections = max(self.most_connections, *connections(self.world, self.database))


def connections(world: World, database: str) -> tuple[int, int]:
    """Of one database: all, and those with a statement that runs. The locks' and this one's own do not count."""
    text = (
        "SELECT COUNT(*), COALESCE(SUM(info IS NOT NULL), 0) FROM information_schema.processlist "
        f"WHERE db = '{database}' AND id <> CONNECTION_ID()"
    )
    every, busy = world.sql(text).split()
    return int(every), int(busy)


def say(name: str, run: Run) -> None:
    print(f"  {name}: {run.per_second:,.0f}/s, p99 {run.p99 / 1000:.2f} ms, {run.failures} failures", file=sys.stderr)


def everything(plan: Plan) -> list[Row]:
    """Callers of warm tags beside pollers, scrapes, a flood of unknown names, locked rows and an unread log."""
    world, tags = plan.world, plan.rounds(100_000, 10_000)
    slices, seconds = plan.rounds(10, 2), plan.seconds(60, 10)
    url = world.database(f"SELECT CONCAT('many', seq), {START}, 1000 FROM seq_1_to_{tags}")
    database = url.rpartition("/")[2]
    warm = ", ".join(f"'many{number}'" for number in range(1, WARM + 1))
    world.sql(f"UPDATE segments SET step = 1000000 WHERE biz_tag IN ({warm})", database)
    for name, last in ("locked", LOCKED), ("cold", 2000), ("other", 2000):
        world.sql(f"INSERT INTO segments (biz_tag, max_id, step) SELECT CONCAT('{name}', seq), {START}, 1000 FROM seq_1_to_{last}", database)
    runs: dict[str, list[Run]] = {"quiet": [], "neighbour": [], "beside": []}

    def measure(name: str, times: int, part: float = 1.0) -> None:
        for _ in range(times):
            runs[name].append(load.saturate(server, "/alloc", seconds * part, WARM, WARM))
            say(name, runs[name][-1])

    with unread(world, url) as server, world.id_alloc(url) as neighbour:
        paths = [f"/alloc?biz_tag=many{tag}" for tag in range(1, tags + 1)]
        if refused := load.once_each(server, paths) + load.once_each(neighbour, paths):
            raise Failed(f"{refused} of {tags} tags were not loaded")
        # The steps grow to what the callers take.
        load.saturate(server, "/alloc", seconds / 2, WARM, WARM)
        time.sleep(12)  # tags that nobody uses come to rest
        measure("quiet", 3, 0.5)
        with Others(world, url, neighbour, "other"):
            time.sleep(2)
            measure("neighbour", 3, 0.5)
        measure("quiet", 1, 0.5)
        before, dropped = server.process.rss(), server.metric("id_alloc_log_lines_dropped_total")
        with Others(world, url, server, "cold") as others:
            time.sleep(2)
            measure("beside", slices)
        ended = time.monotonic()
        eventually("no statement that is left behind", lambda: connections(world, database)[1] == 0, 60, 0.2)
        settled = time.monotonic() - ended
        measure("quiet", 2, 0.5)
        memory = server.process.rss()
        dropped = server.metric("id_alloc_log_lines_dropped_total") - dropped
    quiet, near = ({"rate": [r.per_second for r in runs[n]], "p99": [r.p99 / 1000 for r in runs[n]]} for n in ("quiet", "neighbour"))
    rate, p99 = [run.per_second for run in runs["beside"]], [run.p99 / 1000 for run in runs["beside"]]

    def against(these: list[float], those: list[float]) -> list[float]:
        return [value / statistics.median(those) for value in these]

    failed = sum(run.failures for run in runs["beside"])
    lasts = f"{slices * seconds / 60:g} minutes, {tags:,} tags loaded"
    return [
        Row(f"requests/s of warm tags beside all else, against the quiet server; {lasts}", against(rate, quiet["rate"]),
            at_least=0.8, measured=medians(beside=rate, quiet=quiet["rate"]) + f"; flood {others.flood_rate:,.0f}/s", failures=failed),
        Row("… against all else at a server beside it", against(rate, near["rate"]), measured=medians(beside=rate, neighbour=near["rate"])),
        Row("99th percentile of warm tags, against the quiet server", against(p99, quiet["p99"]),
            at_most=3, measured=medians(beside=p99, quiet=quiet["p99"]) + " ms"),
        Row("… against all else at a server beside it", against(p99, near["p99"]), measured=medians(beside=p99, neighbour=near["p99"]) + " ms"),
        Row("slowest answer to a cold tag", [others.slowest_cold], at_most=1, unit=" s",
            measured=f"{others.asked} tags, each asked for once", failures=others.cold_refused),
        Row("resident memory after it, against before", [memory / before], at_most=1.1,
            measured=f"{before / 2**20:.0f} MiB, then {memory / 2**20:.0f} MiB; {dropped:,.0f} log lines dropped"),
        Row("connections of both servers to the database, most", [others.most_connections - 1], at_most=22, digits=0,
            measured=f"of two servers that may have 10 each; the last statement was gone {settled:.1f} s after the end"),
    ]  # fmt: skip
