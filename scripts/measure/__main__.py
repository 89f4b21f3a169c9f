"""Measures id-alloc beside nginx and a constant answer, or its clients, and prints the table as Markdown.

Run by scripts/bench, which builds, installs and starts the database."""

from __future__ import annotations

import argparse
import pathlib
import signal
import sys
import time

from clients import clients
from everything import everything
from processes import Failed
from report import load_average, table, write
from rows import EXPERIMENTS, Plan
from servers import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures id-alloc; see docs/performance.md.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these: {', '.join(EXPERIMENTS)}; or clients, which is a table of its own, or everything, all troubles at once for ten minutes")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--write", action="store_true", help="replace the table in docs/performance.md (of the clients: with `clients`)")
    parser.add_argument("--against", type=pathlib.Path, metavar="FILE", help="another build of id-alloc to compare CPU with")
    parser.add_argument("--work", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--target", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--mysql", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    experiments = {**EXPERIMENTS, "clients": clients, "everything": everything}
    unknown = [name for name in options.rows if name not in experiments]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(experiments)}")
    if options.write and options.rows not in ([], ["clients"]):
        parser.error("--write needs all rows, or `clients` alone: a table is of one run")
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        signal.signal(number, lambda *_: sys.exit(130))

    world = World(options.work, options.target.resolve(), options.mysql)
    plan = Plan(options.quick, world, options.against and options.against.resolve())
    began, loads, rows, broken = time.monotonic(), [load_average()], [], []
    for name in options.rows or EXPERIMENTS:
        print(f"--- {name}: {experiments[name].__doc__}", file=sys.stderr)
        try:
            rows += experiments[name](plan)
        except Failed as failure:
            broken.append(f"{name}: {failure}")
            print(f"  failed: {failure}", file=sys.stderr)
        loads.append(load_average())
    text = table(rows, loads, time.monotonic() - began, options.quick)
    print(f"\n{text}")
    for line in broken:
        print(f"\nnot measured: {line}")
    if options.write and not broken:
        write(pathlib.Path("docs/performance.md"), text, *options.rows)
    return bool(broken)


sys.exit(main())
