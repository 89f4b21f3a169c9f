"""Which server is asked next, and when."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._wire import Failure, Server

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
MOST_RETRY_AFTER = 60.0
SUSPICION = 30.0


class Line:
    """The servers as one tag sees them. One that failed is left alone for a while, and the next one asked at once.

    Reads no clock.
    """

    __slots__ = ("servers", "trouble", "_failures", "_retry_at", "_preferred", "_longest")

    def __init__(self, servers: Sequence[Server], deadline: float) -> None:
        self.servers = servers
        #: The last failure, for messages; None after a success.
        self.trouble: Failure | None = None
        self._failures = [0] * len(servers)
        self._retry_at = [0.0] * len(servers)
        # The server that answered last.
        self._preferred = 0
        self._longest = min(LONGEST_PAUSE, deadline / 4)

    def choose(self, now: float) -> tuple[int, float]:
        """The server to ask now and 0, or −1 and how many seconds to wait for one."""
        suspect = -1
        for ahead in range(len(self.servers)):
            at = (self._preferred + ahead) % len(self.servers)
            if self._retry_at[at] > now:
                continue
            if self.servers[at].suspect_until <= now:
                return at, 0.0
            if suspect < 0:
                suspect = at
        if suspect >= 0:
            return suspect, 0.0
        return -1, min(self._retry_at) - now

    def succeeded(self, server: int) -> None:
        self._preferred, self.trouble = server, None
        self._failures[server], self._retry_at[server] = 0, 0.0
        self.servers[server].suspect_until = 0.0

    def failed(self, server: int, now: float, failure: Failure) -> None:
        pause = min(self._longest, FIRST_PAUSE * 2 ** min(self._failures[server], 16))
        pause *= random.uniform(0.5, 1)
        if failure.retry_after > 0:
            # A little later than it said, so that not all clients come back at once.
            pause = min(failure.retry_after, MOST_RETRY_AFTER) * random.uniform(1, 1.1)
        self._failures[server] += 1
        self._retry_at[server] = now + pause
        if failure.status is None:
            # It did not answer at all: it is tried last.
            self.servers[server].suspect_until = now + SUSPICION
        self.trouble = failure
