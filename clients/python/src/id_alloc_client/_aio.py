"""The client for asyncio. Requests run in threads of their own, so an event loop is never held up by one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import TracebackType

from ._core import Base
from ._errors import IdAllocError
from ._tag import Refill, TagState


class AsyncTag(TagState):
    """Hands out the ids of one tag. Safe for use from many tasks, loops and threads; made by `AsyncClient.tag`."""

    __slots__ = ()

    async def next(self) -> int:
        """An id. Waits only when none is in memory, at most the client's deadline."""
        with self._lock:
            id = self._next
            if id < self._end:
                self._next = id + 1
                return id
        return (await self._wait(1, None))[0]

    async def next_many(self, n: int) -> list[int]:
        """n ids, which need not follow each other without gaps. Either all n come or an error."""
        if n < 1:
            raise IdAllocError(f"tag {self.name!r}: next_many wants at least 1 id, not {n}", tag=self.name)
        ids = list(self._take(n))
        until = time.monotonic() + self._core.deadline
        while len(ids) < n:
            ids.extend(await self._wait(n - len(ids), until))
        return ids

    async def _wait(self, n: int, until: float | None) -> range:
        if until is None:
            until = time.monotonic() + self._core.deadline
        while not (ids := self._take(n)):
            refill = self._advance(n)
            if refill is None:
                continue
            try:
                if not await self._done(refill, max(0, until - time.monotonic())):
                    raise self._late()
            finally:
                self._stop_waiting(n)
            if refill.error is not None:
                raise refill.error()
        return ids

    async def _done(self, refill: Refill, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone, and so is who waited
                loop.call_soon_threadsafe(done.set)

        self._when_done(refill, tell)
        try:
            await asyncio.wait_for(done.wait(), seconds)
        except asyncio.TimeoutError:
            return refill.done.is_set()
        finally:
            self._forget(refill, tell)
        return True


class AsyncClient(Base[AsyncTag]):
    """Hands out ids of any number of tags, for asyncio; make one per process.

        async with AsyncClient(["http://127.0.0.1:8880"], token="…") as client:
            id = await client.tag("order").next()
    """

    _tag_type = AsyncTag

    async def close(self) -> None:
        """Ends those who wait with an IdAllocError, cancels requests on their way, drops the ids in memory."""
        self._begin_to_close()
        await asyncio.to_thread(self._core.join)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
