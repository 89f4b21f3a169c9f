"""Runs the conformance suite against one client library.

    python3 run.py [--only TEXT] [--jobs N] -- COMMAND…    COMMAND starts the library's adapter (README.md)
    python3 run.py --list

Prints one line for each scenario and a count at the end; exit code 0 if all passed, 1 if not. A scenario that needs
what a language does not have (a fork in Go) is skipped, and said to be.
"""

import argparse
import concurrent.futures
import sys
import traceback

import scenario
from adapter import Broken
from play import Failed, Skipped, play


def main():
    parser = argparse.ArgumentParser(description="Runs the conformance suite against one client library.")
    parser.add_argument("--list", action="store_true", help="list the scenarios and what they show")
    parser.add_argument("--only", default="", metavar="TEXT", help="only scenarios whose name contains TEXT")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="scenarios at a time (4)")
    parser.add_argument("--quiet", action="store_true", help="only what failed or was skipped, and the counts")
    parser.add_argument("command", nargs="*", help="what starts the library's adapter")
    arguments = parser.parse_args()
    chosen = [entry for name, entry in scenario.load().items() if arguments.only in name]
    if arguments.list:
        for entry in chosen:
            print(f"{entry['name']}\n    {entry['shows']}")
        return 0
    if not arguments.command or not chosen:
        parser.error("give the command of an adapter after `--`, and a scenario that exists")
    outcomes = {"passed": 0, "skipped": 0, "failed": 0}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for entry, (outcome, why) in zip(chosen, pool.map(lambda entry: attempt(entry, arguments.command), chosen)):
            outcomes[outcome] += 1
            if outcome != "passed" or not arguments.quiet:
                print(f"{outcome:8}{entry['name']}" + (f": {why}" if why else ""), flush=True)
            if outcome == "failed":
                print(f"        shows: {entry['shows']}", flush=True)
    print(f"{outcomes['passed']} passed, {outcomes['skipped']} skipped, {outcomes['failed']} failed")
    return 1 if outcomes["failed"] or not outcomes["passed"] else 0


def attempt(entry, command):
    try:
        play(entry, command)
        return "passed", ""
    except Skipped as skipped:
        return "skipped", f"this client has no {skipped}"
    except (Failed, Broken) as failed:
        return "failed", str(failed)
    except Exception:
        return "failed", traceback.format_exc()


if __name__ == "__main__":
    sys.exit(main())
