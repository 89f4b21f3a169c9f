"""The client for threads."""

from __future__ import annotations

import time
from types import TracebackType

from ._core import Base
from ._errors import IdAllocError
from ._tag import TagState


class Tag(TagState):
    """Hands out the ids of one tag. Safe for use from many threads; made by `Client.tag`."""

    __slots__ = ()

    def next(self) -> int:
        """An id. Waits only when none is in memory, at most the client's deadline."""
        with self._lock:
            id = self._next
            if id < self._end:
                self._next = id + 1
                return id
        return self._wait(1, None)[0]

    def next_many(self, n: int) -> list[int]:
        """n ids, which need not follow each other without gaps. Either all n come or an error."""
        if n < 1:
            raise IdAllocError(f"tag {self.name!r}: next_many wants at least 1 id, not {n}", tag=self.name)
        ids = list(self._take(n))
        until = time.monotonic() + self._core.deadline
        while len(ids) < n:
            ids.extend(self._wait(n - len(ids), until))
        return ids

    def _wait(self, n: int, until: float | None) -> range:
        if until is None:
            until = time.monotonic() + self._core.deadline
        while not (ids := self._take(n)):
            refill = self._advance(n)
            if refill is None:
                continue
            try:
                if not refill.done.wait(max(0, until - time.monotonic())):
                    raise self._late()
            finally:
                self._stop_waiting(n)
            if refill.error is not None:
                raise refill.error()
        return ids


class Client(Base[Tag]):
    """Hands out ids of any number of tags. Safe for use from many threads; make one per process.

        with Client(["http://127.0.0.1:8880"], token="…") as client:
            id = client.tag("order").next()

    A forked process may go on using the client that it inherited: it takes ranges of its own.
    """

    _tag_type = Tag

    def close(self) -> None:
        """Ends those who wait with an IdAllocError, cancels requests on their way, drops the ids in memory."""
        self._begin_to_close()
        self._core.join()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
