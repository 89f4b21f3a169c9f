"""Which ids have been received."""

from __future__ import annotations

import bisect

MOST_RUNS = 1024


class Seen:
    """Remembers every range that a tag was answered, and refuses what overlaps one.

    What overlaps is an answer that a cache or a proxy repeated, or the servers' data went back. "Above everything so far" would
    be too strict, since servers hand out from different segments: after a change of server good ranges may lie below
    earlier ones. Neighbours are joined, and where there are more than MOST_RUNS runs, the two with the smallest gap between
    them become one, with the gap. So nothing is ever forgotten: a repeated range is refused however late it comes. The price
    is that a good range is refused if it lies in such a gap, the smallest of 1,024, of ids that other clients were given in
    all likelihood; the server has then moved past it at the next attempt.
    """

    __slots__ = ("_firsts", "_ends")

    def __init__(self) -> None:
        # Runs in rising order, which neither touch nor overlap: first id, and the one after the last.
        self._firsts: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        return len(self._firsts)

    def add(self, first: int, count: int) -> bool:
        """Takes note of a range; False if an id of it was there before."""
        end = first + count
        firsts, ends = self._firsts, self._ends
        at = bisect.bisect_right(ends, first)  # the first run that ends above `first`
        if at < len(firsts) and firsts[at] < end:
            return False
        joins_lower = at > 0 and ends[at - 1] == first
        joins_upper = at < len(firsts) and firsts[at] == end
        if joins_lower and joins_upper:
            self._join(at)
        elif joins_lower:
            ends[at - 1] = end
        elif joins_upper:
            firsts[at] = first
        else:
            firsts.insert(at, first)
            ends.insert(at, end)
        if len(firsts) > MOST_RUNS:
            self._join(min(range(1, len(firsts)), key=lambda at: firsts[at] - ends[at - 1]))
        return True

    def _join(self, at: int) -> None:
        """Makes one of a run and the one below it."""
        self._ends[at - 1] = self._ends[at]
        del self._firsts[at], self._ends[at]
