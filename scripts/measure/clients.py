"""The client libraries: ids a second beside a plain counter of the same language and beside CosId, what they cost the
server, and how long single calls take. Each language has a program that is called `PROGRAM ADDRESS TAG SECONDS`, and prints a line of
JSON for each measurement; scripts/bench builds them."""

from __future__ import annotations

import collections
import json
import pathlib
import subprocess
import sys

from processes import Failed
from report import Row, medians, ratios
from rows import Plan
from servers import Server, get

JAVA = pathlib.Path("clients/java")
PATHS = f"{JAVA}/client/target/classes:{JAVA}/client/target/test-classes"
JMH_PATHS = f"{JAVA}/bench/target/classes:{JAVA}/bench/target/lib/*"
TAG = "bulk"
# So that its allowance is above what two threads of Rust take.
STEP = 100_000_000
# Of the measurement that counts, on one thread, in million ids a second.
GOALS = {"Go": ("next", 20), "Java": ("next", 20), "Node": ("try next", 20), "Python": ("next", 1), "Rust": ("try next, shared", None)}

Measured = dict[tuple, list[dict]]


def programs(target: pathlib.Path) -> dict[str, list[str]]:
    return {
        "Rust": [str(target / "examples/speed")],
        "Go": [str(target / "clients/go-bench")],
        "Java": ["java", "-cp", PATHS, "io.github.idalloc.Bench"],
        "Node": ["node", "clients/node/bench.js"],
        "Python": ["python3", "-B", "clients/python/bench.py"],
    }


def lines(command: list[str]) -> list[dict]:
    done = subprocess.run(command, text=True, capture_output=True, timeout=600)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stdout[-1000:]} {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def jmh(plan: Plan, address: str, threads: int) -> list[dict]:
    """CosId, the Java client and Java's counter."""
    results = plan.world.work / "jmh.json"
    command = ["java", "-cp", JMH_PATHS, "org.openjdk.jmh.Main", "-f", "1", "-t", str(threads), "-wi", "3", "-w", "1s",
               "-i", "3", "-r", "1s", "-p", f"address={address}", "-p", f"tag={TAG}", "-rf", "json", "-rff", str(results)]  # fmt: skip
    done = subprocess.run(command, text=True, capture_output=True, timeout=600)
    if done.returncode or not results.exists():
        raise Failed(f"JMH: {done.stdout[-2000:]} {done.stderr[-1000:]}")
    found = json.loads(results.read_text())
    results.unlink()
    if len(found) != 3:
        raise Failed(f"JMH measured {len(found)} of 3: {done.stdout[-2000:]}")
    return [
        {"what": entry["benchmark"].rpartition(".")[2], "threads": threads, "ids": entry["primaryMetric"]["score"], "seconds": 1}
        for entry in found
    ]


def clients(plan: Plan) -> list[Row]:
    """Each client on one thread and on two, CosId, and the server at a million ids a second."""
    world = plan.world
    url = world.database()
    world.add_tags(url, (TAG, STEP))
    measured: Measured = collections.defaultdict(list)
    server_cpu: dict[str, list[float]] = collections.defaultdict(list)
    with world.id_alloc(url) as server:
        address = server.url("")
        # What a new row may claim counts 20 seconds after its first claim.
        lines([*programs(world.target)["Rust"], address, TAG, "22", "1000000"])
        for turn in range(plan.rounds(3, 2)):
            for threads in (1, 2):
                note(measured, "CosId", jmh(plan, address, threads))
            for language, command in list(programs(world.target).items())[:: 1 if turn % 2 == 0 else -1]:
                cpu, before = server.process.cpu(), allocated(server)
                note(measured, language, lines([*command, address, TAG, f"{plan.seconds(2, 1):g}"]))
                ids = allocated(server) - before
                server_cpu[language].append((server.process.cpu() - cpu) / ids * 1e9)
        paced = at_a_million(plan, server)
    rows = [of(language, measured, server_cpu[language]) for language in GOALS]
    return [*beside_cosid(measured), *rows, *[latency(language, measured) for language in GOALS], paced]


def allocated(server: Server) -> float:
    """How many ids the server has handed out, whole ranges too."""
    name = "id_alloc_ids_allocated_total"
    found = [line for line in get(server.address, "/metrics")[1].splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def note(measured: Measured, language: str, found: list[dict]) -> None:
    for entry in found:
        measured[language, entry["what"], entry.get("threads", 1)].append(entry)
        if "seconds" in entry:
            print(
                f"  {language}, {entry['what']}, {entry['threads']} thread(s): {million(entry):,.1f} million/s",
                file=sys.stderr,
            )


def million(entry: dict) -> float:
    return entry["ids"] / entry["seconds"] / 1e6


def rates(measured: Measured, *key) -> list[float]:
    found = measured.get(key)
    if not found:
        raise Failed(f"nobody measured {key}")
    return [million(entry) for entry in found]


def of(language: str, measured: Measured, server_cpu: list[float]) -> Row:
    what, goal = GOALS[language]
    ours = measured[language, what, 1]
    others = {
        f"{name} on {threads}".replace(" ", "_"): rates(measured, language, name, threads)
        for (spoken, name, threads) in sorted(measured)
        if spoken == language and name != "latency"
    }
    # ms of a processor for a million ids.
    cpu = [entry["cpu"] / entry["ids"] * 1e9 for entry in ours]
    return Row(
        f"{language}: million ids/s, `{what}` on one thread",
        rates(measured, language, what, 1),
        at_least=goal,
        digits=1,
        measured=f"{medians(**others)}; CPU of a million ids {medians(client=cpu)} ms, {medians(server=server_cpu)} ms",
    )


def beside_cosid(measured: Measured) -> list[Row]:
    rows = []
    for what, threads, goal in (
        ("try next, shared", 1, 1.5),
        ("try next, of one thread", 1, 4),
        ("try next, of one thread", 2, 4),
    ):
        ours, theirs = rates(measured, "Rust", what, threads), rates(measured, "CosId", "segmentChainId", threads)
        rows.append(
            Row(
                f"Rust, `{what}`, ids/s against CosId's `SegmentChainId`, {threads} thread{'s' * (threads > 1)}",
                ratios(ours, theirs),
                at_least=goal,
                measured=medians(
                    id_alloc=ours,
                    CosId=theirs,
                    AtomicI64=rates(measured, "Rust", "counter", threads),
                    AtomicLong_of_Java=rates(measured, "CosId", "atomicLong", threads),
                )
                + " million/s",
            )
        )
    rows.append(
        Row(
            "Java, `next`, ids/s against CosId's `SegmentChainId`, both by JMH, 1 thread",
            ratios(rates(measured, "CosId", "next", 1), rates(measured, "CosId", "segmentChainId", 1)),
            measured=medians(id_alloc=rates(measured, "CosId", "next", 1), CosId=rates(measured, "CosId", "segmentChainId", 1))
            + " million/s",
        )
    )
    return rows


def latency(language: str, measured: Measured) -> Row:
    found = measured[language, "latency", 1]
    if not found:
        raise Failed(f"{language} timed no single calls")
    return Row(
        f"{language}: 99.9th percentile of `next`, reading the clock included",
        [entry["p999"] for entry in found],
        unit=" ns",
        digits=0,
        measured=medians(p50=[entry["p50"] for entry in found], p99=[entry["p99"] for entry in found]) + " ns",
    )


def at_a_million(plan: Plan, server: Server) -> Row:
    """What the server uses of a core while one client takes a million ids a second."""
    shares, achieved = [], []
    for _ in range(plan.rounds(3, 1)):
        cpu = server.process.cpu()
        found = lines([*programs(plan.world.target)["Rust"], server.url(""), TAG, f"{plan.seconds(20, 5):g}", "1000000"])[0]
        shares.append((server.process.cpu() - cpu) / found["seconds"] * 100)
        achieved.append(found["ids"] / found["seconds"])
    return Row(
        "server's CPU while a client takes a million ids/s",
        shares,
        at_most=1,
        unit=" % of a core",
        measured=medians(ids_per_second=achieved),
    )
