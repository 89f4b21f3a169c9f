"""The ranges of one tag: handing out, changing over, fetching. What `Tag` and `AsyncTag` have in common."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from ._errors import IdAllocError, Unavailable, closed
from ._line import Line
from ._pace import Pace
from ._seen import Seen
from ._wire import Attempt, Failure

if TYPE_CHECKING:
    from ._core import Core


class Refill:
    """The fetch of one range: attempts until one succeeds, the servers refuse for good, or the client closes."""

    __slots__ = ("size", "shrink", "done", "error", "callbacks")

    def __init__(self, size: int) -> None:
        self.size = size
        #: How often a server had no ids for this size: the next attempt asks for less.
        self.shrink = 0
        self.done = threading.Event()
        #: For those who wait; None if the range has come.
        self.error: Callable[[], IdAllocError] | None = None
        #: Called once it is over, by its thread; a table for its order and quick removal.
        self.callbacks: dict[Callable[[], object], None] = {}


class TagState:
    """All that handles of a tag share. Everything is guarded by `_lock`, which is never held while waiting."""

    __slots__ = (
        "name", "_core", "_lock", "_next", "_end", "_size", "_reserve", "_refill", "_waiting", "_pace", "_seen", "_line",
        "_closed", "__weakref__",
    )  # fmt: skip

    def __init__(self, core: Core, name: str) -> None:
        self.name = name
        self._core = core
        self._pace = Pace(core.range_duration, core.max_range)
        self._seen = Seen()
        self._line = Line(core.servers, core.deadline)
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """Without ids: at first, and in a forked process, whose locks may be held by threads that it does not have."""
        self._lock = threading.Lock()
        # The current range: its next id, the one after its last, and how many it had.
        self._next = self._end = self._size = 0
        # First id and number of ids of the range after it; None while it is fetched.
        self._reserve: tuple[int, int] | None = None
        self._refill: Refill | None = None
        # How many ids the callers wait for who found none in memory.
        self._waiting = 0

    def __reduce__(self) -> NoReturn:
        raise TypeError("a tag of an id-alloc client cannot be copied or pickled, as its ids would come twice; make a client in each process")

    def _take(self, n: int) -> range:
        """Up to n ids from memory, perhaps none."""
        with self._lock:
            first = self._next
            self._next = min(first + n, self._end)
            return range(first, self._next)

    def _advance(self, n: int) -> Refill | None:
        """Makes the reserve the current range if that is used up, and sees to it that the next one is fetched.

        Returns the fetch to wait for, counting the caller among those who wait, or None if the caller should try again.
        """
        now = self._core.now()
        with self._lock:
            if self._closed:
                raise closed(self.name)
            if self._next < self._end:
                return None
            if self._reserve is not None:
                self._pace.used_up(self._size, now)
                self._next, self._size = self._reserve
                self._end = self._next + self._size
                self._reserve = None
                self._fetch(now)
                return None
            self._pace.ran_dry(now)
            self._waiting += n
            try:
                self._fetch(now)
            except IdAllocError:
                self._waiting -= n
                raise
            return self._refill

    def _stop_waiting(self, n: int) -> None:
        with self._lock:
            self._waiting -= n

    def _late(self) -> Unavailable:
        """What a caller is told whose deadline has passed."""
        trouble = self._line.trouble
        text = f"tag {self.name!r}: no ids within {self._core.deadline:g} s"
        if trouble is None:
            return Unavailable(text, tag=self.name)
        return Unavailable(
            f"{text}: {trouble}", tag=self.name, server=trouble.server, status=trouble.status, code=trouble.code or None
        )

    def _fetch(self, now: float) -> None:
        """Starts a refill unless one is on its way or not needed. The caller holds the lock."""
        if self._refill is None and self._reserve is None and not self._closed:
            refill = Refill(self._pace.next(now))
            try:
                self._core.start(self._run, refill, f"id-alloc {self.name}")
            except RuntimeError as error:
                # No thread is to be had: the process ends, or has too many. Who finds ids in memory need not know.
                if self._next == self._end:
                    raise IdAllocError(f"tag {self.name!r}: {error}", tag=self.name) from error
            else:
                self._refill = refill

    def _run(self, refill: Refill) -> None:
        try:
            while not self._attempt(refill):
                pass
        except BaseException as error:  # a fault of this library: those who wait are told
            text = f"tag {self.name!r}: {error!r}"
            self._finish(refill, lambda: IdAllocError(text, tag=self.name))
            raise

    def _attempt(self, refill: Refill) -> bool:
        """One attempt, or a pause before the next one; True if the refill is over."""
        core = self._core
        with self._lock:
            at, wait = self._line.choose(time.monotonic())
            count = self._pace.bound(max(refill.size >> min(refill.shrink, 4), self._waiting))
        if at < 0:
            core.closing.wait(wait)
        answer: int | Failure | None = None
        if not core.closing.is_set():
            if at < 0:
                return False
            answer = core.servers[at].ask(Attempt(core.deadline / 4, self._permit), self.name, count, core.token)
        if answer is None or core.closing.is_set():
            self._finish(refill, lambda: closed(self.name))
            return True
        return self._settle(refill, at, count, answer)

    def _permit(self, sock: socket.socket | None) -> None:
        self._core.running(self, sock)

    def _settle(self, refill: Refill, at: int, count: int, answer: int | Failure) -> bool:
        """Takes note of an attempt's outcome; True if the refill is over."""
        server = self._core.servers[at]
        with self._lock:
            if isinstance(answer, int) and not self._seen.add(answer, count):
                last = answer + count - 1
                answer = server.bad(
                    f"ids {answer} to {last}, of which this client was given some before; is there a cache or a proxy that repeats answers?"
                )
            if isinstance(answer, int):
                self._line.succeeded(at)
                if not self._closed:
                    self._reserve = (answer, count)
                    self._pace.arrived(self._core.now())
            elif answer.too_many and count > 1:
                self._pace.permit(count // 2)
                return False
            elif answer.final is None:
                if answer.code == "no_available_id":
                    refill.shrink += 1
                self._line.failed(at, time.monotonic(), answer)
                return False
        if isinstance(answer, int):
            self._finish(refill, None)
        else:
            failure, kind = answer, answer.final or IdAllocError
            self._finish(
                refill,
                lambda: kind(
                    f"tag {self.name!r}: {failure}",
                    tag=self.name, server=failure.server, status=failure.status, code=failure.code or None,
                ),
            )  # fmt: skip
        return True

    def _finish(self, refill: Refill, error: Callable[[], IdAllocError] | None) -> None:
        """Tells those who wait. Each gets an error of its own, as a traceback is added to it."""
        with self._lock:
            refill.error = error
            if self._refill is refill:
                self._refill = None
            refill.done.set()
            callbacks, refill.callbacks = refill.callbacks, {}
        for callback in callbacks:
            callback()

    def _when_done(self, refill: Refill, callback: Callable[[], object]) -> None:
        with self._lock:
            if not refill.done.is_set():
                refill.callbacks[callback] = None
                return
        callback()

    def _forget(self, refill: Refill, callback: Callable[[], object]) -> None:
        """Who has given up leaves nothing behind, however long an outage lasts."""
        with self._lock:
            refill.callbacks.pop(callback, None)

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            self._next = self._end = 0
            self._reserve = None
