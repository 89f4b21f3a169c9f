"""How large the next range is."""

from __future__ import annotations

FIRST_RANGE = 16


class Pace:
    """Sizes ranges so that one lasts about `duration` seconds at the recent rate.

    At most double the size before, at least 1, at most `limit`. Reads no clock.
    """

    __slots__ = ("duration", "limit", "size", "_used", "_since", "_dry_from")

    def __init__(self, duration: float, limit: int) -> None:
        self.duration = duration
        self.limit = limit
        #: Size of the last range; 0 before the first.
        self.size = 0
        # Ids of the ranges used up since `_since`.
        self._used = 0
        self._since: float | None = None
        # When the ids ran out; None while there are some. Time without ids says nothing of the rate.
        self._dry_from: float | None = None

    def next(self, now: float) -> int:
        """The size of a range to be fetched from now on."""
        if self.size == 0:
            self.size = FIRST_RANGE
        elif self._used > 0 and self._since is not None:
            size = 2 * self.size
            elapsed = now - self._since
            if elapsed > 0:
                size = int(min(size, self._used / elapsed * self.duration))
            self.size = size
            self._used, self._since = 0, now
        self.size = self.bound(self.size)
        return self.size

    def used_up(self, count: int, now: float) -> None:
        """A range of `count` ids has come to its end."""
        self._used += count
        if self._since is None:
            self._since = now

    def ran_dry(self, now: float) -> None:
        """Somebody found no id."""
        if self._dry_from is None:
            self._dry_from = now

    def arrived(self, now: float) -> None:
        """There are ids again."""
        if self._dry_from is not None:
            if self._since is not None:
                self._since += now - self._dry_from
            self._dry_from = None

    def bound(self, wanted: int) -> int:
        """What may be asked for of what is wanted."""
        return max(1, min(wanted, self.limit))

    def permit(self, limit: int) -> None:
        """Lowers the limit for good: a server does not give more at once."""
        self.limit = max(1, min(self.limit, limit))
