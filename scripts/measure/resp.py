"""`INCR` of id-alloc beside Redis' own, by redis-benchmark: pipelined, and one at a time."""

from __future__ import annotations

import csv
import socket
import sys

from load import Run, run_load
from processes import Failed, Process, eventually
from report import Row, medians, ratios
from servers import Server, World, free_port


def redis(world: World) -> Server:
    """Redis as it is fastest: nothing is written to disk."""
    port = free_port()
    call = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = Server(Process("redis", call, world.work), f"127.0.0.1:{port}")

    def answers():
        if server.process.child.poll() is not None:
            raise Failed(f"redis-server ended: {server.process.log.read_text()[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    eventually("Redis answers", answers)
    return server


def incr(server: Server, port: int, requests: int, pipeline: int, connections: int = 64) -> Run:
    """So many `INCR`; redis-benchmark ends at the first error. Its times are those of whole pipelines."""
    call = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-c", str(connections), "-P", str(pipeline)]
    before = server.process.cpu()
    out = run_load([*call, "-n", str(requests), "--csv", "INCR", "large"], 60)
    cpu = server.process.cpu() - before
    rows = list(csv.DictReader(line for line in out.splitlines() if line.startswith('"')))
    if len(rows) != 1:
        raise Failed(f"redis-benchmark: {out[-1000:]}")
    (row,) = rows
    p50, p99, most = (float(row[f"{name}_latency_ms"]) * 1000 for name in ("p50", "p99", "max"))
    return Run(requests, requests / float(row["rps"]), 0, p50, p99, most, cpu)


def experiment(plan) -> list[Row]:
    """INCR by Redis' clients, against Redis."""
    world, rows = plan.world, []
    url, port = world.database(), free_port()
    world.add_tags(url, ("large", 100_000))
    with redis(world) as theirs, world.id_alloc(url, wire__redis__bind=f"127.0.0.1:{port}") as ours:
        contenders = [("id-alloc", ours, port), ("Redis", theirs, int(theirs.address.rpartition(":")[2]))]
        for pipeline, requests in (32, 2_000_000), (1, 200_000):
            requests //= 4 if plan.quick else 1
            runs: dict[str, list[Run]] = {name: [] for name, *_ in contenders}
            for _, server, at in contenders:
                incr(server, at, requests // 4, pipeline)
            for turn in range(plan.rounds(7, 3)):
                for name, server, at in contenders if turn % 2 == 0 else reversed(contenders):
                    run = incr(server, at, requests, pipeline)
                    runs[name].append(run)
                    print(f"  {name}: {run.per_second:,.0f}/s, {run.cpu_per_request:.2f} µs of CPU", file=sys.stderr)
            here, there = runs["id-alloc"], runs["Redis"]
            how = f"pipelined by {pipeline}" if pipeline > 1 else "one at a time"
            for what, number, unit in (
                ("INCR/s", lambda run: run.per_second, ""),
                ("… CPU for each", lambda run: run.cpu_per_request, " µs"),
            ):
                mine, other = [number(run) for run in here], [number(run) for run in there]
                rows.append(
                    Row(
                        f"{what}, {how}, 64 connections, against Redis",
                        ratios(mine, other),
                        measured=medians(id_alloc=mine, redis=other) + unit,
                    )
                )
    return rows
