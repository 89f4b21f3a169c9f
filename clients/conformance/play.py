"""Plays one scenario: starts its servers and an adapter, takes the steps, and checks what came of them.

Beside what a scenario expects, this holds in each of them: no id comes twice, every id was answered whole by a server
for that tag, and the ids that one caller gets one after the other rise (unless the scenario says `"order": "any"`:
ranges of two servers interleave).
"""

import bisect
import time

from adapter import Adapter
from server import Fleet


class Failed(Exception):
    """An expectation that was not met."""


class Skipped(Exception):
    """The scenario needs what this language does not have, such as a fork."""


def play(scenario, command):
    """Returns when all went well; raises `Failed`, `Skipped` or `adapter.Broken`."""
    fleet = Fleet(scenario)
    adapter = Adapter(command)
    try:
        missing = set(scenario.get("needs", [])) - set(adapter.hello()["can"])
        if missing:
            raise Skipped(", ".join(sorted(missing)))
        Play(scenario, fleet, adapter).run()
        adapter.end()
    finally:
        fleet.stop()
        adapter.kill()


class Play:
    def __init__(self, scenario, fleet, adapter):
        self.scenario, self.fleet, self.adapter = scenario, fleet, adapter
        self.running, self.last, self.seen = {}, {}, {}

    def run(self):
        self.do_open({})
        self.take(self.scenario["steps"])
        if self.running:
            raise Failed(f"the scenario forgets to finish {sorted(self.running)}")

    def take(self, steps):
        for step in steps:
            try:
                getattr(self, "do_" + step["do"])(step)
            except Failed as failed:
                raise Failed(f"step {step}: {failed}") from failed

    # The steps.

    def do_open(self, step):
        options = {"servers": self.fleet.addresses, **self.scenario.get("options", {}), **step.get("options", {})}
        self.adapter.call("open", client=step.get("client", "a"), **options)

    def do_next(self, step):
        self.ask(step, "next", times=self.number(step.get("times", 1), step))

    def do_next_many(self, step):
        self.ask(step, "next_many", n=self.number(step["n"], step))

    def ask(self, step, do, **arguments):
        client, tag = step.get("client", "a"), step.get("tag", "order")
        begun = time.monotonic()
        reply = self.adapter.send(do, client=client, tag=tag, **arguments)
        pending = (reply, begun, client, tag, next(iter(arguments.values())), do)
        if "as" in step:
            self.running[step["as"]] = pending
        else:
            self.judge(pending, step.get("expect", {}))

    def do_finish(self, step):
        self.judge(self.running.pop(step["of"]), step.get("expect", {}))

    def judge(self, pending, expect):
        reply, begun, client, tag, wanted, do = pending
        answer = self.adapter.finish(reply, do)
        took = (time.monotonic() - begun) * 1000
        runs = self.runs(answer["runs"])
        self.record(tag, runs, caller=(client, tag))
        error = answer.get("error")
        if error is None and sum(count for _, count in runs) != wanted:
            raise Failed(f"{wanted} ids were wanted, came {runs}")
        if expect.get("either"):
            return
        if "error" in expect:
            if error is None:
                raise Failed(f"wanted the error {expect['error']}, came ids: {runs}")
            if error["type"] != expect["error"] or expect.get("says", "") not in error["message"]:
                raise Failed(f"wanted {expect}, came {error}")
            if took < expect.get("after_ms", 0):
                raise Failed(f"came after {took:.0f} ms, not after {expect['after_ms']} ms at least")
        elif error is not None:
            raise Failed(f"wanted ids, came {error} after {took:.0f} ms and {runs}")
        if "ids" in expect and runs != [(int(first), count) for first, count in expect["ids"]]:
            raise Failed(f"wanted the ids {expect['ids']}, came {runs}")

    def do_threads(self, step):
        client, tag = step.get("client", "a"), step.get("tag", "order")
        threads, times = step["threads"], step["times"]
        answer = self.adapter.call("threads", client=client, tag=tag, threads=threads, times=times)
        if "error" in answer:
            raise Failed(f"wanted ids, came {answer['error']}")
        by_thread = [self.runs(runs) for runs in answer["by_thread"]]
        if [sum(count for _, count in runs) for runs in by_thread] != [times] * threads:
            raise Failed(f"{threads} times {times} ids were wanted")
        for number, runs in enumerate(by_thread):
            self.record(tag, runs, caller=(client, tag, object(), number))

    def do_elsewhere(self, step):
        client, tag = step.get("client", "a"), step.get("tag", "order")
        answer = self.adapter.call("elsewhere", client=client, tag=tag, how=step["how"], times=step["times"])
        if "error" in answer:
            raise Failed(f"wanted ids or a refusal, came {answer['error']}")
        if "refused" not in answer:
            runs = self.runs(answer["runs"])
            if sum(count for _, count in runs) != step["times"]:
                raise Failed(f"{step['times']} ids were wanted, came {runs}")
            self.record(tag, runs, caller=(client, tag, object()))

    def do_close(self, step):
        self.adapter.call("close", client=step.get("client", "a"))

    def do_clock(self, step):
        self.adapter.call("clock", client=step.get("client", "a"), advance_ms=step["advance_ms"])

    def do_release(self, step):
        self.fleet.release(step["gate"])

    def do_server(self, step):
        server, mode = self.fleet.servers[step["server"]], step["mode"]
        if mode in ("up", "down"):
            getattr(server, mode)()
        else:
            server.mode = None if mode == "script" else mode

    def do_loop(self, step):
        for _ in range(step["times"]):
            self.take(step["steps"])

    def do_await(self, step):
        def number():
            found = self.requests(step)
            return sum(request.answered for request in found) if "answered" in step else len(found)

        wanted = step.get("answered", step.get("requests"))
        if not self.fleet.wait(lambda: number() >= wanted, 30):
            raise Failed(f"there were {number()} only: {self.requests(step)}")

    def do_check(self, step):
        found = self.requests(step)[step.get("from") : step.get("to")]
        within("requests", len(found), step.get("requests"))
        for request in found:
            within("the count asked for", request.count, step.get("counts"))
            for path, wanted in step.get("sent", {}).items():
                self.sent(request, path, wanted)
        within("connections", len({request.connection for request in found}), step.get("connections"))
        if "pause_ms" in step:
            paused = [(after.at - before.at) * 1000 for before, after in zip(found, found[1:])]
            if not paused or min(paused) < step["pause_ms"]:
                raise Failed(f"pauses of {[round(pause) for pause in paused]} ms between requests")

    # What they use.

    def requests(self, step):
        with self.fleet.changed:
            return [
                request
                for request in self.fleet.requests
                if request.server == step.get("server", request.server) and request.tag == step.get("tag", request.tag)
            ]

    def sent(self, request, path, wanted):
        """A path names a part of a request: method, path, query.NAME or header.NAME; null: not sent."""
        part, _, name = path.partition(".")
        tables = {"query": request.query, "header": request.headers}
        value = tables[part].get(name) if name else getattr(request, part)
        if value != wanted:
            raise Failed(f"{path} is {value!r}, not {wanted!r}")

    def number(self, wanted, step):
        """A number, or "in_memory": all ids that the client was answered and has not handed out yet."""
        if wanted != "in_memory":
            return wanted
        tag = step.get("tag", "order")
        with self.fleet.changed:
            answered = sum(grant.count for grant in self.fleet.granted if grant.tag == tag)
        return answered - self.seen.get(tag, Ids()).total

    def runs(self, runs):
        return [(int(first), int(count)) for first, count in runs]

    def record(self, tag, runs, caller):
        """Checks what holds in every scenario."""
        with self.fleet.changed:
            granted = [(grant.first, grant.first + grant.count) for grant in self.fleet.granted if grant.tag == tag]
        for first, count in runs:
            covered = sum(max(0, min(end, first + count) - max(start, first)) for start, end in granted)
            if covered != count:
                raise Failed(f"ids {first} to {first + count - 1} were never answered whole; good ones: {granted}")
            self.seen.setdefault(tag, Ids()).add(first, first + count)
            if self.scenario.get("order") != "any" and first <= self.last.get(caller, -1):
                raise Failed(f"id {first} came after {self.last[caller]}")
            self.last[caller] = first + count - 1


class Ids:
    """The ids that came so far: as runs, by their first id."""

    def __init__(self):
        self.starts, self.ends, self.total = [], [], 0

    def add(self, first, end):
        at = bisect.bisect_right(self.starts, first)
        if at > 0 and self.ends[at - 1] > first:
            raise Failed(f"ids twice: {first} to {min(end, self.ends[at - 1]) - 1}")
        if at < len(self.starts) and self.starts[at] < end:
            raise Failed(f"ids twice: {self.starts[at]} to {min(end, self.ends[at]) - 1}")
        self.total += end - first
        self.starts.insert(at, first)
        self.ends.insert(at, end)


def within(what, value, bounds):
    """`bounds`: a number, or [least, most], where null is no bound; None: nothing is wanted."""
    if bounds is None:
        return
    least, most = bounds if isinstance(bounds, list) else (bounds, bounds)
    if (least is not None and value < least) or (most is not None and value > most):
        raise Failed(f"{what}: {value}, not {bounds}")
