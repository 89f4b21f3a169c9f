"""What `Client` and `AsyncClient` have in common: options, servers, threads, and what happens at a fork."""

from __future__ import annotations

import math
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Generic, NoReturn, TypeVar

from ._tag import Refill, TagState
from ._wire import Server

T = TypeVar("T", bound=TagState)


class Core:
    """Options and resources. Threads are daemons, so a client that nobody closes does not keep its process alive."""

    def __init__(
        self, servers: Sequence[str], token: str | None, range_duration: float, max_range: int, deadline: float
    ) -> None:
        if isinstance(servers, str) or not servers:
            raise ValueError("servers is a list of at least one address, such as ['http://127.0.0.1:8880']")
        for name, value in (("range_duration", range_duration), ("deadline", deadline)):
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} is {value!r}; it is a positive number of seconds")
        if max_range < 1:
            raise ValueError(f"max_range is {max_range!r}; it is at least 1")
        if token is not None and not (token.isascii() and token.isprintable() and " " not in token and token):
            raise ValueError("token has a character that no token has, such as a line end")
        self.servers = [Server(address) for address in servers]
        self.token, self.range_duration, self.max_range, self.deadline = token, range_duration, max_range, deadline
        #: The clock that rates are measured with; tests replace it.
        self.now: Callable[[], float] = time.monotonic
        self.closed = False
        self.begin()

    def begin(self) -> None:
        self.lock = threading.Lock()
        self.closing = threading.Event()
        if self.closed:
            self.closing.set()
        self.threads: set[threading.Thread] = set()
        self.sockets: dict[int, socket.socket] = {}

    def start(self, run: Callable[[Refill], None], refill: Refill, name: str) -> None:
        def body() -> None:
            try:
                run(refill)
            finally:
                with self.lock:
                    self.threads.discard(thread)

        thread = threading.Thread(target=body, name=name, daemon=True)
        with self.lock:
            self.threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            with self.lock:
                self.threads.discard(thread)
            raise

    def running(self, tag: TagState, sock: socket.socket | None) -> None:
        """Notes which socket a tag's request runs on, so that `close` can end it; None once it is over."""
        with self.lock:
            if sock is None:
                self.sockets.pop(id(tag), None)
            elif self.closing.is_set():
                raise ConnectionError("the client is closed")
            else:
                self.sockets[id(tag)] = sock

    def close(self) -> None:
        with self.lock:
            self.closed = True
            self.closing.set()
            for sock in self.sockets.values():
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # not connected any more

    def join(self) -> None:
        """Waits for the threads, a second at most: one that is looking up a name or connecting cannot be interrupted."""
        with self.lock:
            threads = list(self.threads)
        until = time.monotonic() + 1
        for thread in threads:
            thread.join(max(0, until - time.monotonic()))
        for server in self.servers:
            server.close()


class Base(Generic[T]):
    """A client as far as it does not wait."""

    _tag_type: type[T]

    def __init__(
        self,
        servers: Sequence[str],
        *,
        token: str | None = None,
        range_duration: float = 10.0,
        max_range: int = 10_000_000,
        deadline: float = 10.0,
    ) -> None:
        """`servers`: base addresses such as "http://10.0.0.1:8880". The first is asked until it fails, then the next one at once.

        `token`: sent as "Authorization: Bearer TOKEN".
        `range_duration`: how many seconds one range should last at the current rate. Longer survives longer outages; up to twice
        as much is lost when the process ends.
        `max_range`: the largest range (at most the server's limits.max_range).
        `deadline`: how many seconds a call waits for ids when none are in memory. One attempt at one server takes at most a quarter of it.
        """
        self._core = Core(servers, token, range_duration, max_range, deadline)
        self._tags: dict[str, T] = {}
        _clients.add(self)

    def tag(self, name: str) -> T:
        """The handle of a tag; always the same one."""
        tag = self._tags.get(name)
        if tag is None:
            with self._core.lock:
                tag = self._tags.setdefault(name, self._tag_type(self._core, name))
                if self._core.closed:
                    tag._close()
        return tag

    def _begin_to_close(self) -> None:
        self._core.close()
        for tag in list(self._tags.values()):
            tag._close()

    def _forked(self) -> None:
        """In a new process: forgets the ranges, which stay with the parent, and its threads and connections."""
        self._core.begin()
        for server in self._core.servers:
            server.close()
        for tag in self._tags.values():
            tag._begin()

    def __reduce__(self) -> NoReturn:
        raise TypeError("an id-alloc client cannot be copied or pickled, as its ids would come twice; make one in each process")


_clients: weakref.WeakSet[Base[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    for client in _clients:
        client._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
