"""Shows that the conformance suite can fail: gives the Python client one fault at a time, and runs the scenario that must
find it.

    python3 faults.py       one line for each fault; exit code 0 if all were found

Each fault is a function that changes the library before the adapter starts (`adapter.py --fault NAME`).
"""

import concurrent.futures
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
SUITE = HERE.parents[1] / "conformance" / "run.py"
FAULTS = {}


def fault(found_by):
    def keep(function):
        FAULTS[function.__name__] = (function, found_by)
        return function

    return keep


@fault("answers/repeated")
def uses_a_repeated_range(library):
    library._seen.Seen.add = lambda self, first, count: True


@fault("answers/overlap[1]")
def uses_an_overlapping_range(library):
    def add(self, first, count):
        known = first in self._firsts
        self._firsts.append(first)
        return not known

    library._seen.Seen.add = add


@fault("answers/cut[unframed]")
def takes_what_it_finds_in_a_broken_answer(library):
    def parse(body, count):
        found = re.search(rb'"first":\W*(\d+)', body)
        if not found:
            raise ValueError
        return int(found[1])

    library._wire.parse = parse


@fault("answers/cut[whole_json_but_more_announced]")
def takes_an_answer_that_is_too_short(library):
    read = library._wire.http.client.HTTPResponse.read

    def careless(self, amount=None):
        body = read(self, amount)
        self.length = 0
        return body

    library._wire.http.client.HTTPResponse.read = careless


@fault("answers/wrong[more ids]")
def does_not_look_at_the_count(library):
    integer = library._wire.integer
    library._wire.parse = lambda body, count: integer(library._wire.json.loads(body)["first"])


@fault("answers/out_of_a_cache")
def takes_answers_of_a_cache(library):
    get = library._wire.http.client.HTTPMessage.get
    library._wire.http.client.HTTPMessage.get = lambda self, name, *more: None if name == "Age" else get(self, name, *more)


@fault("prefetch/asked_before_the_end")
def fetches_only_when_somebody_waits(library):
    fetch = library._tag.TagState._fetch
    library._tag.TagState._fetch = lambda self, now: self._waiting and fetch(self, now)


@fault("prefetch/no_more_than_one_in_reserve")
def fetches_again_and_again(library):
    finish = library._tag.TagState._finish

    def and_on(self, refill, error):
        finish(self, refill, error)
        with self._lock:
            reserve, self._reserve = self._reserve, None
            self._fetch(0)
            self._reserve = reserve

    library._tag.TagState._finish = and_on


@fault("outages/next_server_of_three")
def knows_one_server_only(library):
    choose = library._line.Line.choose

    def first(self, now):
        self.servers = self.servers[:1]
        return choose(self, now)

    library._line.Line.choose = first


@fault("outages/next_server[500 internal]")
def goes_back_to_the_failing_server(library):
    def succeeded(self, server):
        self._preferred = 0
        self._retry_at = [0.0] * len(self._retry_at)

    library._line.Line.succeeded = succeeded


@fault("outages/retry_after")
def does_not_honour_retry_after(library):
    library._line.MOST_RETRY_AFTER = 0.01


@fault("outages/backoff")
def asks_again_at_once(library):
    library._line.FIRST_PAUSE = 0.0


@fault("outages/deadline[no answer]")
def gives_up_early(library):
    wait = library._sync.Tag._wait
    library._sync.Tag._wait = lambda self, n, until: wait(self, n, time.monotonic() + 0.03)


@fault("outages/a_tag_alone")
def one_tag_holds_up_the_others(library):
    lock, ask = library._core.threading.Lock(), library._wire.Server.ask

    def in_turn(self, *arguments):
        with lock:
            return ask(self, *arguments)

    library._wire.Server.ask = in_turn


@fault("sharing/elsewhere[fork]")
def shares_its_range_with_a_fork(library):
    library._core.Base._forked = lambda self: None


@fault("sharing/threads")
def two_threads_may_take_the_same_id(library):
    def next(self):
        id = self._next
        if id < self._end:
            time.sleep(0)
            self._next = id + 1
            return id
        return self._wait(1, None)[0]

    library._sync.Tag.next = next


@fault("order/large_ids")
def counts_in_floating_point(library):
    parse = library._wire.parse
    library._wire.parse = lambda body, count: int(float(parse(body, count)))


@fault("size/grows_and_shrinks")
def never_asks_for_more(library):
    library._pace.Pace.next = lambda self, now: 16


@fault("size/grows_and_shrinks")
def never_asks_for_less(library):
    next = library._pace.Pace.next

    def more(self, now):
        before = self.size
        self.size = max(before, next(self, now))
        return self.size

    library._pace.Pace.next = more


@fault("size/at_most_max_range")
def does_not_know_a_maximum(library):
    library._pace.Pace.bound = lambda self, wanted: max(1, wanted)


@fault("size/server_permits_less")
def does_not_ask_for_less_when_told(library):
    library._pace.Pace.permit = lambda self, limit: None


@fault("refusals/at_once[unknown tag]")
def retries_an_unknown_tag(library):
    library._wire.UnknownTag = None


@fault("closing/while_prefetching")
def hands_out_ids_after_it_was_closed(library):
    library._tag.TagState._close = lambda self: None


@fault("wire/request")
def asks_with_get(library):
    request = library._wire.http.client.HTTPConnection.request
    library._wire.http.client.HTTPConnection.request = lambda self, method, *more: request(self, "GET", *more)


@fault("wire/tag_names[50%&count=7#x]")
def does_not_escape_a_tag(library):
    library._wire.urllib.parse.urlencode = lambda query, **_: "&".join(f"{key}={value}" for key, value in query.items())


@fault("wire/closed_connections")
def takes_a_closed_connection_for_a_failure(library):
    library._wire.STALE = ()


@fault("wire/connections_kept")
def opens_a_connection_for_each_request(library):
    library._wire.MAX_IDLE = 0


def found(name):
    """Whether the suite finds a fault: the scenario has to fail, and its output to say so."""
    command = [sys.executable, "-B", str(HERE / "adapter.py"), "--fault", name]
    run = subprocess.run(
        [sys.executable, "-B", str(SUITE), "--only", FAULTS[name][1], "--", *command], capture_output=True, text=True
    )
    return run.returncode == 1 and f"failed  {FAULTS[name][1]}: " in run.stdout, run.stdout + run.stderr


def main():
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for name, (good, output) in zip(FAULTS, pool.map(found, FAULTS)):
            missed += not good
            print(f"{'found ' if good else 'MISSED'}  {name}" + ("" if good else f"\n{output}"), flush=True)
    print(f"{len(FAULTS) - missed} passed, {missed} failed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
