"""The experiments, each one or more rows of the table. Contenders take turns, so that a noisy moment
meets all of them; each ratio is of runs made next to each other."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import pathlib
import subprocess
import sys
import time

import load
import resp
from load import Run
from processes import Failed, eventually
from report import Row, medians, ratios
from servers import START, Server, World, until_first_answer


@dataclasses.dataclass
class Plan:
    """How long and how often."""

    quick: bool
    world: World
    # Another build of id-alloc to compare with, `None` for none.
    other: pathlib.Path | None

    def rounds(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def seconds(self, full: float, quick: float) -> float:
        return quick if self.quick else full


Contender = tuple[str, "Server", str, dict]


def in_turn(rounds: int, seconds: float, contenders: list[Contender]) -> dict[str, list[Run]]:
    """A B C, C B A, A B C …: the order turns round, so that no one always follows the same."""
    runs: dict[str, list[Run]] = {name: [] for name, *_ in contenders}
    for _, server, path, options in contenders:
        load.saturate(server, path, 1, **options)
    for turn in range(rounds):
        for name, server, path, options in contenders if turn % 2 == 0 else reversed(contenders):
            run = load.saturate(server, path, seconds, **options)
            runs[name].append(run)
            print(
                f"  {name}: {run.per_second:,.0f}/s, {run.cpu_per_request:.2f} µs of CPU, "
                f"p99.9 {run.p999 / 1000:.1f} ms, {run.failures} failures",
                file=sys.stderr,
            )
    return runs


def failures(*lists: list[Run]) -> int:
    return sum(run.failures for runs in lists for run in runs)


def cpu(runs: list[Run]) -> list[float]:
    return [run.cpu_per_request for run in runs]


def rate(runs: list[Run]) -> list[float]:
    return [run.per_second for run in runs]


def throughput(plan: Plan) -> list[Row]:
    """CPU against the constant, requests against nginx: 64 connections, one tag."""
    world = plan.world
    url = world.database()
    world.add_tags(url, ("large", 100_000), ("small", 1000))
    with (
        world.constant() as constant,
        world.constant("later") as later,
        world.nginx() as nginx,
        world.id_alloc(url) as server,
    ):
        contenders = [
            ("constant", constant, "/alloc", {}),
            ("constant later", later, "/alloc", {}),
            ("id-alloc 100000", server, "/alloc?biz_tag=large", {}),
            ("nginx", nginx, "/alloc", {}),
            ("id-alloc 1000", server, "/alloc?biz_tag=small", {}),
        ]
        other = world.id_alloc(url, plan.other) if plan.other else None
        if other:
            contenders.insert(3, ("other build", other, "/alloc?biz_tag=large", {}))
        runs = in_turn(plan.rounds(7, 3), plan.seconds(3, 2), contenders)
        if other:
            other.process.stop()
    large, small = runs["id-alloc 100000"], runs["id-alloc 1000"]
    rows = [
        Row(
            "CPU per request, against the constant",
            ratios(cpu(large), cpu(runs["constant"])),
            at_most=1.12,
            measured=medians(id_alloc=cpu(large), constant=cpu(runs["constant"]), nginx=cpu(runs["nginx"])) + " µs",
            failures=failures(large),
        ),
        Row(
            "… of the constant when it answers in the next turn of its loop, against at once",
            ratios(cpu(runs["constant later"]), cpu(runs["constant"])),
            measured=medians(later=cpu(runs["constant later"]), at_once=cpu(runs["constant"])) + " µs",
        ),
    ]
    for name, these in ("step 100,000", large), ("step 1,000", small):
        rows.append(
            Row(
                f"requests/s, against nginx, {name}",
                ratios(rate(these), rate(runs["nginx"])),
                at_least=0.9,
                measured=medians(id_alloc=rate(these), nginx=rate(runs["nginx"]), constant=rate(runs["constant"])),
                failures=failures(these),
            )
        )
    if other:
        rows.append(
            Row(
                "CPU per request, against the other build",
                ratios(cpu(large), cpu(runs["other build"])),
                digits=3,
                measured=medians(this=cpu(large), other=cpu(runs["other build"])) + " µs",
            )
        )
    return rows


def few(plan: Plan) -> list[Row]:
    """One connection, which waits for each answer before it asks again, and eight."""
    world, rows = plan.world, []
    url = world.database()
    world.add_tags(url, ("large", 100_000))
    with world.constant() as constant, world.id_alloc(url) as server:
        for connections in 1, 8:
            options = {"connections": connections}
            contenders = [
                ("constant", constant, "/alloc", options),
                ("id-alloc", server, "/alloc?biz_tag=large", options),
            ]
            runs = in_turn(plan.rounds(9, 3), plan.seconds(2, 1), contenders)
            ours, theirs = runs["id-alloc"], runs["constant"]
            if connections == 1:
                row = Row(
                    "requests/s with one connection, against the constant",
                    ratios(rate(ours), rate(theirs)),
                    at_least=0.9,
                    measured=medians(id_alloc=rate(ours), constant=rate(theirs))
                    + f"; median {medians(id_alloc=[run.p50 for run in ours], constant=[run.p50 for run in theirs])} µs",
                    failures=failures(ours),
                )
            else:
                slow, slow_constant = [run.p99 for run in ours], [run.p99 for run in theirs]
                row = Row(
                    "99th percentile with 8 connections, against the constant",
                    ratios(slow, slow_constant),
                    at_most=1.3,
                    measured=medians(id_alloc=slow, constant=slow_constant) + " µs",
                    failures=failures(ours),
                )
            rows.append(row)
    return rows


def tail(plan: Plan) -> list[Row]:
    """The slowest thousandth at a fixed rate that leaves the machine half idle."""
    world, pairs, seconds, rps = plan.world, plan.rounds(11, 5), plan.seconds(4, 3), 20_000
    url = world.database()
    world.add_tags(url, ("large", 100_000))
    runs: dict[str, list[Run]] = {"id-alloc": [], "constant": [], "again": []}
    with world.constant() as constant, world.constant() as again, world.id_alloc(url) as server:
        contenders = [
            ("constant", constant, "/alloc"),
            ("id-alloc", server, "/alloc?biz_tag=large"),
            ("again", again, "/alloc"),
        ]
        for _, one, path in contenders:
            load.saturate(one, path, 1)
        for turn in range(pairs):
            # Each follows each other one equally often.
            shift = turn % len(contenders)
            for name, one, path in contenders[shift:] + contenders[:shift]:
                run = load.at_rate(one, path, seconds, rps, world.work / "h2load.log")
                runs[name].append(run)
                print(
                    f"  {name}: p99.9 {run.p999 / 1000:.2f} ms, p50 {run.p50 / 1000:.2f} ms at {run.per_second:,.0f}/s, "
                    f"{run.failures} failures",
                    file=sys.stderr,
                )

    def slowest(name: str) -> list[float]:
        return [run.p999 / 1000 for run in runs[name]]

    achieved = min(run.per_second for name in runs for run in runs[name])
    at = f"99.9th percentile at {rps:,} requests/s"
    return [
        Row(
            f"{at}, against the constant",
            ratios(slowest("id-alloc"), slowest("constant")),
            at_most=1.3,
            measured=medians(id_alloc=slowest("id-alloc"), constant=slowest("constant"))
            + f" ms; at least {achieved:,.0f} requests/s came through",
            failures=failures(runs["id-alloc"]),
        ),
        Row(
            f"… the constant against itself, {pairs} pairs",
            ratios(slowest("again"), slowest("constant")),
            measured=medians(one=slowest("again"), other=slowest("constant")) + " ms",
        ),
    ]


def steps(plan: Plan) -> list[Row]:
    """Tiny steps, once the size of claims has grown to what the traffic needs."""
    world, rows = plan.world, []
    url = world.database()
    with world.id_alloc(url) as server:
        for connections in 64, 256:
            names = {step: f"step{step}-{connections}" for step in (100_000, 10, 1)}
            world.add_tags(url, *((name, step) for step, name in names.items()))
            first = {}
            for step, name in names.items():
                # From the first request on: none may fail.
                first[step] = load.saturate(server, f"/alloc?biz_tag={name}", plan.seconds(6, 4), connections)
            options = {"connections": connections}
            contenders = [(str(step), server, f"/alloc?biz_tag={name}", options) for step, name in names.items()]
            runs = in_turn(plan.rounds(4, 2), plan.seconds(3, 2), contenders)
            for step in 10, 1:
                rows.append(
                    Row(
                        f"requests/s with step {step}, against step 100,000, {connections} connections",
                        ratios(rate(runs[str(step)]), rate(runs["100000"])),
                        at_least=0.9,
                        measured=f"{medians(adapted=rate(runs[str(step)]), first_seconds=[first[step].per_second])}, "
                        "no failures" * (not first[step].failures),
                        failures=first[step].failures + failures(runs[str(step)]),
                    )
                )
    return rows


def guard(plan: Plan) -> list[Row]:
    """What the guard costs where each request needs a claim of its own, and where those who wait share one."""
    world, rows = plan.world, []
    url = world.database()
    one = {"allocation__max_step": "1", "allocation__outage_budget": "1ms"}
    with world.id_alloc(url, **one) as guarded, world.id_alloc(url, database__guard="off", **one) as plain:
        for server, wanted in (guarded, 1), (plain, 0):
            if server.metric("id_alloc_guard_active") != wanted:
                raise Failed("the guard is not as it was asked for")
        for connections, what in (1, "one after the other"), (64, "64 callers who share claims"):
            names = {"guarded": f"guarded{connections}", "plain": f"plain{connections}"}
            # A tag that the guarded server has claimed names it, so each has its own.
            world.add_tags(url, *((name, 1) for name in names.values()))
            options = {"connections": connections}
            contenders = [
                (name, server, f"/alloc?biz_tag={names[name]}", options)
                for name, server in (("guarded", guarded), ("plain", plain))
            ]
            runs = in_turn(plan.rounds(6, 2), plan.seconds(3, 2), contenders)
            rows.append(
                Row(
                    f"claims/s with the guard, against the plain UPDATE, {what}",
                    ratios(rate(runs["guarded"]), rate(runs["plain"])),
                    measured=medians(guarded=rate(runs["guarded"]), plain=rate(runs["plain"])),
                    failures=failures(*runs.values()),
                )
            )
    return rows


def delay(plan: Plan) -> list[Row]:
    """A database 40 ms away."""
    world, seconds = plan.world, plan.seconds(4, 3)
    slow: dict[str, list[float]] = {"near": [], "far": []}
    fresh: dict[str, list[float]] = {"near": [], "far": []}
    failed = 0
    url = world.database()
    with world.delay(20) as link:
        far = f"mysql://root@{link.address}/{url.rpartition('/')[2]}"
        with world.id_alloc(url) as near_server, world.id_alloc(far) as far_server:
            servers = {"near": near_server, "far": far_server}
            for turn in range(plan.rounds(4, 2)):
                for name, server in servers.items():
                    tag = f"{name}{turn}"
                    world.add_tags(url, (tag, 1000))
                    first = load.saturate(server, f"/alloc?biz_tag={tag}", seconds)
                    then = load.saturate(server, f"/alloc?biz_tag={tag}", seconds)
                    failed += first.failures + then.failures
                    fresh[name].append(first.p999 / 1000)
                    slow[name].append(then.p999 / 1000)
                    print(
                        f"  {name}: p99.9 {first.p999 / 1000:.1f} ms on a fresh tag, then {then.p999 / 1000:.1f} ms, "
                        f"{first.failures + then.failures} failures",
                        file=sys.stderr,
                    )
    what = "99.9th percentile, saturated, step 1,000, claims delayed by 2 × 20 ms"
    return [
        Row(
            f"{what}, against undelayed",
            ratios(slow["far"], slow["near"]),
            at_most=2,
            measured=medians(delayed=slow["far"], undelayed=slow["near"]) + " ms",
            failures=failed,
        ),
        Row(
            f"… in a fresh tag's first {seconds:g} s",
            ratios(fresh["far"], fresh["near"]),
            measured=medians(delayed=fresh["far"], undelayed=fresh["near"]) + " ms",
            failures=failed,
        ),
    ]


def count(plan: Plan) -> list[Row]:
    """A thousand ids per request."""
    world = plan.world
    url = world.database()
    world.add_tags(url, ("large", 1_000_000))
    with world.id_alloc(url) as server:
        path = "/alloc?biz_tag=large&count=1000"
        # So many ids a second are more than a new tag may claim; what its row is given counts 20 seconds later.
        load.once_each(server, [path], 1)
        time.sleep(21)
        runs = in_turn(plan.rounds(5, 2), plan.seconds(3, 2), [("count=1000", server, path, {})])["count=1000"]
    ids = [run.requests * 1000 / run.cpu / 1e6 for run in runs]
    return [
        Row(
            "million ids/s per core of server time, `count=1000`",
            ids,
            at_least=25,
            digits=1,
            measured=medians(requests_per_second=rate(runs), µs_per_request=cpu(runs)),
            failures=failures(runs),
        )
    ]


def tags(plan: Plan) -> list[Row]:
    """Many tags in turn, asked for by the same script as the one."""
    world = plan.world
    url = world.database(f"SELECT CONCAT('many', seq), {START}, 100000 FROM seq_1_to_10000")
    numbers = (1, 8, 64, 10_000)
    with world.constant() as constant, world.id_alloc(url) as server:
        load.once_each(server, [f"/alloc?biz_tag=many{tag}" for tag in range(1, max(numbers) + 1)])
        contenders = [(f"{number} tags", server, "/alloc", {"tags": number}) for number in numbers]
        contenders.append(("constant", constant, "/alloc", {"tags": 64}))
        runs = in_turn(plan.rounds(5, 2), plan.seconds(3, 2), contenders)
    one, rows = runs["1 tags"], []
    for number, least in zip(numbers[1:], (0.9, 0.8, 0.7), strict=True):
        these = runs[f"{number} tags"]
        rows.append(
            Row(
                f"requests/s with {number:,} tags in turn, against one tag",
                ratios(rate(these), rate(one)),
                at_least=least,
                measured=medians(these=rate(these), one=rate(one))
                + f"; CPU {medians(these=cpu(these), one=cpu(one))} µs",
                failures=failures(these),
            )
        )
        if number <= 64:
            rows.append(
                Row(
                    f"CPU per request with {number} tags in turn, against the constant",
                    ratios(cpu(these), cpu(runs["constant"])),
                    at_most=1.15,
                    measured=medians(id_alloc=cpu(these), constant=cpu(runs["constant"])) + " µs",
                )
            )
    return rows


def memory(plan: Plan) -> list[Row]:
    """What a loaded tag takes, and what is left of it when it has been evicted."""
    world, number, probes = plan.world, plan.rounds(100_000, 20_000), 2000
    # What is weighed is the server; a commit that waits for the disk would only make it take longer.
    world.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    url = world.database(f"SELECT CONCAT('many', seq), {START}, 1000 FROM seq_1_to_{number + probes}")
    world.add_tags(url, ("warm", 1000))
    paths = [f"/alloc?biz_tag=many{tag}" for tag in range(1, number + probes + 1)]
    with world.id_alloc(url) as server:
        # The rows are as they are after a first day: the guard knows who claims.
        load.once_each(server, ["/alloc?biz_tag=warm"], 1)
        guard = "(SELECT claimed_on FROM segments WHERE biz_tag = 'warm')"
        world.sql(f"SET @on = {guard}; UPDATE segments SET claimed_on = @on", url.rpartition("/")[2])
        began = time.monotonic()
        load.once_each(server, paths[number:])
        expected = (time.monotonic() - began) * number / probes
    # None may be evicted before the last is loaded.
    idle = int(expected * 1.6 + 40)
    with world.id_alloc(url, allocation__idle_after=f"{idle}s") as server:
        # All threads and connections, and what they keep for good, are there before it is weighed.
        load.saturate(server, "/alloc?biz_tag=warm", 2)
        before = server.process.rss()
        began = time.monotonic()
        failed = load.once_each(server, paths[:number])
        took = time.monotonic() - began
        # Their actors end once nobody has needed them for ten seconds.
        time.sleep(20)
        load.once_each(server, ["/alloc?biz_tag=warm", "/health"] * 100)
        time.sleep(2)
        loaded, grown = int(server.metric("id_alloc_tags_loaded")), server.process.rss() - before
        print(f"  {loaded:,} tags loaded in {took:.1f} s, {failed} failures, {grown / 2**20:.1f} MiB", file=sys.stderr)
        if took > idle - 30:
            raise Failed(f"loading took {took:.0f} s: tags were evicted before all were loaded (idle_after {idle} s)")
        eventually("all tags are evicted", lambda: server.metric("id_alloc_tags_loaded") <= 1, idle + 60, 1)
        end, remains = time.monotonic() + 60, grown
        while time.monotonic() < end and (remains / number > 100 or remains > 0.3 * grown):
            # A server is never left quite alone: that its threads have something to do lets the allocator tidy up.
            load.once_each(server, ["/alloc?biz_tag=warm", "/health"] * 100)
            time.sleep(1)
            remains = min(remains, server.process.rss() - before)
        waited = 60 - (end - time.monotonic())
        world.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        print(f"  {remains / 2**20:.1f} MiB remain {waited:.0f} s after the last eviction", file=sys.stderr)
    return [
        Row(
            f"KiB per loaded tag at rest, {number:,} tags",
            [grown / number / 1024],
            at_most=0.8,
            measured=f"{loaded:,} in memory, each loaded once through HTTP in {took:.0f} s, {failed} failures",
            failures=failed + abs(number + 1 - loaded),
        ),
        Row(
            "bytes per tag that remain after eviction",
            [remains / number],
            at_most=100,
            digits=0,
            measured=f"within {waited:.0f} s of the last eviction",
        ),
        Row(
            "part of the growth that is given back to the system",
            [1 - remains / grown],
            at_least=0.7,
        ),
    ]


def start(plan: Plan) -> list[Row]:
    """From the start of the process to its first id."""
    world = plan.world
    rows = 100_000
    full = world.database(f"SELECT CONCAT('many', seq), {START}, 1000 FROM seq_1_to_{rows}")
    empty = world.database()
    for url in full, empty:
        world.add_tags(url, ("first", 1000))
        until_first_answer(world, url, "/alloc?biz_tag=first")
    times: dict[str, list[float]] = {"full": [], "empty": []}
    for _ in range(plan.rounds(7, 3)):
        for name, url in ("empty", empty), ("full", full):
            times[name].append(until_first_answer(world, url, "/alloc?biz_tag=first"))
    differences = [a - b for a, b in zip(times["full"], times["empty"], strict=True)]
    what = f"start to first answer, {rows:,} rows"
    return [
        Row(f"{what}, above an empty table", differences, at_most=0.3, unit=" s", measured=""),
        Row(
            f"{what}, against an empty table",
            ratios(times["full"], times["empty"]),
            measured=medians(full=times["full"], empty=times["empty"]) + " s",
        ),
    ]


def process(plan: Plan) -> list[Row]:
    """`cargo bench`: what the parts take without HTTP, and HTTP without a network."""
    criterion = plan.world.target.parent / "criterion"
    call = ["cargo", "bench", "--quiet", "--bench", "open_range", "--bench", "allocator", "--bench", "http", "--"]
    options = ["--warm-up-time", "1", "--measurement-time", "2"] if plan.quick else []
    subprocess.run([*call, "--noplot", *options], check=True, stdout=sys.stderr)

    def nanoseconds(name: str) -> list[float]:
        found = json.loads((criterion / name / "new/estimates.json").read_text())["median"]
        interval = found["confidence_interval"]
        return [interval["lower_bound"], found["point_estimate"], interval["upper_bound"]]

    return [
        Row("in process: ns per id of an open range", nanoseconds("open_range/per id"), at_most=10, digits=1),
        Row("… by two threads", nanoseconds("open_range/per id, two threads"), digits=1),
        Row("… ns per id of `Allocator`, 64 callers", nanoseconds("allocator/64 callers"), at_most=1000, digits=0),
        Row("… ns per request of the routes, no socket", nanoseconds("http/alloc"), digits=0),
        Row("… ns per request of the constant, no socket", nanoseconds("http/constant"), digits=0),
    ]


def isolation(plan: Plan) -> list[Row]:
    """One healthy tag at 1,000 requests/s, while 10,000 requests come as fast as they go over 256 connections:
    for itself, for a hot tag, for cold tags, for a tag whose row is broken, for one whose actor panics over and
    over; and for cold tags of another server on this machine and database, which shows what is due to them alone."""
    world, rounds, seconds = plan.world, plan.rounds(7, 3), plan.seconds(3, 2)
    url = world.database()
    world.add_tags(url, ("healthy", 100_000), ("hot", 100_000), ("broken", 0), ("panicking", 100_000))
    panics, elsewhere = "a tag whose actor panics ten times a second", "cold tags at another server"
    names = ["itself", "a hot tag", "cold tags", elsewhere, "a broken row", panics]
    slowest: dict[str, list[float]] = {name: [] for name in names}
    failed = 0
    with world.id_alloc(url) as server, world.id_alloc(url) as other, world.panicking(url) as panicking:
        for warm in server, panicking:
            load.saturate(warm, "/alloc?biz_tag=healthy", 1)
        for turn in range(rounds):
            cold = [f"cold{turn}x{number}" for number in range(20_000)]
            world.add_tags(url, *((name, 1000) for name in cold))
            floods = [["healthy"] * 10_000, ["hot"] * 10_000, cold[::2], cold[1::2], ["broken"] * 10_000]
            floods.append(["panicking"] * 10_000)
            start = turn % len(names)
            for name in names[start:] + names[:start]:
                paths = [f"/alloc?biz_tag={tag}" for tag in floods[names.index(name)]]
                healthy = panicking if name == panics else server
                target = other if name == elsewhere else healthy
                with concurrent.futures.ThreadPoolExecutor(1) as flood:
                    flooding = flood.submit(load.once_each, target, paths, 256)
                    run = load.at_rate(healthy, "/alloc?biz_tag=healthy", seconds, 1000, world.work / "h2load.log", 16)
                    refused = flooding.result()
                slowest[name].append(run.p999 / 1000)
                failed += run.failures + (0 if name in ("a broken row", panics) else refused)
                print(f"  beside {name}: p99.9 {run.p999 / 1000:.2f} ms, {refused} refused", file=sys.stderr)
    return [
        Row(
            f"99.9th percentile of a healthy tag beside a flood for {name}, against one for itself",
            ratios(slowest[name], slowest["itself"]),
            at_most=2.0,
            measured=medians(beside=slowest[name], itself=slowest["itself"]) + " ms",
            failures=failed,
        )
        for name in ("a hot tag", "cold tags", "a broken row", panics)
    ] + [
        Row(
            "… for cold tags, against the same flood at another server of this machine and database",
            ratios(slowest["cold tags"], slowest[elsewhere]),
            measured=medians(here=slowest["cold tags"], there=slowest[elsewhere]) + " ms",
        )
    ]


EXPERIMENTS = {
    "throughput": throughput,
    "isolation": isolation,
    "few": few,
    "redis": resp.experiment,
    "tail": tail,
    "steps": steps,
    "guard": guard,
    "delay": delay,
    "count": count,
    "tags": tags,
    "memory": memory,
    "start": start,
    "process": process,
}
