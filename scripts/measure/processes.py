"""Processes that are measured: started with a log, accounted for by the kernel, ended together."""

from __future__ import annotations

import atexit
import os
import pathlib
import re
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1

_running: list["Process"] = []


class Failed(Exception):
    """A measurement that cannot be made; its text says why."""


def eventually(what: str, condition, seconds: float = 60.0, pause: float = 0.01):
    """What `condition` gives once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(pause)
    raise Failed(f"never came true in {seconds:.0f} s: {what}")


class Process:
    """A program that runs until it is stopped, with all its output in a log, or standard error elsewhere."""

    def __init__(self, name: str, command: list, cwd: pathlib.Path, env: dict[str, str] | None = None, stderr: int = subprocess.STDOUT):
        self.name = name
        self.log = cwd / f"{name}-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(
                [str(word) for word in command],
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=stderr,
            )
        _running.append(self)

    @property
    def pid(self) -> int:
        return self.child.pid

    def address(self) -> str:
        """`HOST:PORT` of its line `listening on SCHEME://HOST:PORT`."""

        def look():
            if self.child.poll() is not None:
                raise Failed(f"{self.name} ended: {self.log.read_text(errors='replace')[-2000:]}")
            return re.search(r"listening on \w+://([\d.]+:\d+)", self.log.read_text(errors="replace"))

        return eventually(f"the start line of {self.name}", look)[1]

    def pids(self) -> list[int]:
        """Itself and its children (nginx works in them)."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [self.pid] + [int(pid) for pid in children.read_text().split()]

    def cpu(self) -> float:
        """Seconds of processor time, user and system, that it has used."""
        total = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])  # utime, stime
        return total / TICKS

    def rss(self) -> int:
        """Resident memory, in bytes."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    def stop(self) -> None:
        if self in _running:
            _running.remove(self)
        workers = self.pids()[1:] if self.child.poll() is None else []
        self.child.terminate()
        try:
            self.child.wait(15)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            for pid in workers:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


@atexit.register
def stop_all() -> None:
    """Nothing that was started here outlives the program."""
    for process in list(_running):
        process.stop()
