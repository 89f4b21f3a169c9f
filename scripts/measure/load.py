"""Load: wrk for as much as goes, h2load for a fixed rate, and a loader that asks for each path once."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import pathlib
import subprocess

from processes import Failed
from servers import Server

WRK_SCRIPT = pathlib.Path(__file__).with_name("wrk.lua")


@dataclasses.dataclass
class Run:
    """What one run of a load generator saw."""

    requests: int
    seconds: float
    failures: int
    p50: float  # µs
    p99: float  # µs
    p999: float  # µs
    cpu: float  # seconds of the server

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_per_request(self) -> float:
        """µs of the server's processor time."""
        return self.cpu / self.requests * 1e6


def run_load(command: list[str], seconds: float, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, text=True, capture_output=True, timeout=seconds * 4 + 30, env=env)
    if done.returncode:
        raise Failed(f"{command[0]}: {done.stdout[-1000:]} {done.stderr[-1000:]}")
    return done.stdout


def saturate(server: Server, path: str, seconds: float, connections: int = 64, tags: int = 0) -> Run:
    """As many requests as go. With `tags`, `many1` … in turn instead of `path`."""
    call = ["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "-s", str(WRK_SCRIPT)]
    before = server.process.cpu()
    out = run_load([*call, server.url(path)], seconds, os.environ | {"TAGS": str(tags)})
    cpu = server.process.cpu() - before
    numbers = [int(word) for line in out.splitlines() if line.startswith("RESULT ") for word in line.split()[1:]]
    requests, micros, refused, broken, p50, p99, p999 = numbers
    if requests == 0:
        raise Failed(f"no answer from {server.process.name}: {out}")
    return Run(requests, micros / 1e6, refused + broken, p50, p99, p999, cpu)


def at_rate(server: Server, path: str, seconds: float, rate: int, log: pathlib.Path, connections: int = 64) -> Run:
    """`rate` requests a second; the first half second is not counted."""
    log.unlink(missing_ok=True)
    call = ["h2load", "--h1", "-t1", f"-c{connections}", f"--rps={rate / connections:g}", f"-D{seconds:g}"]
    before = server.process.cpu()
    run_load([*call, f"--log-file={log}", server.url(path)], seconds)
    cpu = server.process.cpu() - before
    rows = [line.split("\t")[:3] for line in log.read_text().splitlines()]
    log.unlink()
    began = min(int(row[0]) for row in rows) + 500_000
    counted = [row for row in rows if int(row[0]) >= began]
    times = sorted(int(row[2]) for row in counted)
    failures = sum(row[1] != "200" for row in rows)
    span = (max(int(row[0]) for row in counted) - began) / 1e6

    def quantile(part: float) -> float:
        return times[min(len(times) - 1, int(part * len(times)))]

    # All requests used the processor, those of the first half second too.
    return Run(len(counted), span, failures, quantile(0.5), quantile(0.99), quantile(0.999), cpu * len(counted) / len(rows))


def once_each(server: Server, paths: list[str], connections: int = 64) -> int:
    """Asks for each path once, over so many connections; gives the number of failures."""
    host, _, port = server.address.rpartition(":")
    left = iter(paths)

    async def worker() -> int:
        reader, writer = await asyncio.open_connection(host, int(port))
        failures = 0
        for path in left:
            writer.write(f"GET {path} HTTP/1.1\r\nhost: {server.address}\r\n\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            failures += not head.startswith(b"HTTP/1.1 200 ")
        writer.close()
        return failures

    async def all_of_them() -> int:
        workers = asyncio.gather(*(worker() for _ in range(connections)))
        try:
            return sum(await asyncio.wait_for(workers, 300))
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            raise Failed(f"{len(paths):,} requests, each once: {error!r}") from error

    return asyncio.run(all_of_them())
