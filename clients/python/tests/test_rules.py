"""The parts that read no clock and no network: sizes, ranges received, the choice of a server."""

import random
import unittest

import support  # noqa: F401 (finds the library)
from id_alloc_client._line import FIRST_PAUSE, LONGEST_PAUSE, MOST_RETRY_AFTER, Line
from id_alloc_client._pace import Pace
from id_alloc_client._seen import MOST_RUNS, Seen
from id_alloc_client._wire import MAX_ID, Failure, Server, integer


class SeenTest(unittest.TestCase):
    def test_refuses_exactly_what_it_has_seen(self):
        chance, seen, ids = random.Random(1), Seen(), set()
        for _ in range(10_000):
            wanted = range(first := chance.randrange(5000), first + chance.randint(1, 12))
            free = ids.isdisjoint(wanted)
            self.assertEqual(seen.add(wanted.start, len(wanted)), free)
            if free:
                ids.update(wanted)
            for end, first in zip(seen._ends, seen._firsts[1:]):
                self.assertLess(end, first)

    def test_is_bounded_and_forgets_nothing(self):
        chance, seen, given, first = random.Random(2), Seen(), [], 0
        while len(given) < 5000:
            self.assertTrue(seen.add(first, 10), "a range above all others")
            given.append(first)
            first += 11 + chance.randrange(1000)
            self.assertLessEqual(len(seen), MOST_RUNS)
        for first in given:
            self.assertFalse(seen.add(first, 1))
            self.assertFalse(seen.add(first + 9, 1))

    def test_keeps_the_largest_gaps(self):
        seen = Seen()
        seen.add(1, 10)
        for number in range(2 * MOST_RUNS):
            seen.add(5_000_000 + number * 20, 10)
        self.assertTrue(seen.add(11, 100_000), "what another server still has below")

    def test_has_room_for_the_largest_id(self):
        seen = Seen()
        self.assertTrue(seen.add(MAX_ID, 1))
        self.assertTrue(seen.add(MAX_ID - 10, 10))
        self.assertFalse(seen.add(MAX_ID, 1))


class PaceTest(unittest.TestCase):
    def test_doubles_at_most(self):
        pace, sizes = Pace(10, 1000), []
        for number in range(9):
            sizes.append(pace.next(0))
            if number:
                pace.used_up(sizes[number - 1], 0)
        self.assertEqual(sizes, [16, 16, 32, 64, 128, 256, 512, 1000, 1000])

    def test_follows_the_rate_down_at_once(self):
        pace = Pace(10, 1_000_000)
        pace.size = 8192
        pace.used_up(0, 0)
        pace.used_up(8192, 8192)
        self.assertEqual(pace.next(8192), 10)
        pace.used_up(10, 9e6)
        self.assertEqual(pace.next(9e6), 1)

    def test_does_not_count_time_without_ids(self):
        pace = Pace(10, 1_000_000)
        pace.size = 1000
        pace.used_up(0, 0)
        pace.ran_dry(10)
        pace.ran_dry(20)
        pace.arrived(100)  # 90 s of outage
        pace.used_up(1000, 100)
        self.assertEqual(pace.next(100), 1000)

    def test_permits_less_for_good(self):
        pace = Pace(10, 1000)
        for limit in (100, 500):
            pace.permit(limit)
            self.assertEqual(pace.bound(700), 100)
        pace.permit(0)
        self.assertEqual(pace.bound(700), 1)


def refused(status=500, retry_after=0.0):
    return Failure("a server", status, "no", retry_after=retry_after)


class LineTest(unittest.TestCase):
    def setUp(self):
        self.servers = [Server(f"http://127.0.0.1:{port}") for port in (1, 2, 3)]

    def test_asks_the_next_server_at_once_and_stays_there(self):
        line = Line(self.servers, 10)
        for server in (0, 1):
            self.assertEqual(line.choose(1), (server, 0))
            line.failed(server, 1, refused())
        self.assertEqual(line.choose(1), (2, 0))
        line.succeeded(2)
        self.assertEqual(line.choose(100), (2, 0))
        line.failed(2, 100, refused())
        self.assertEqual(line.choose(100), (0, 0))

    def test_pauses_grow_and_are_bounded(self):
        line, now = Line(self.servers[:1], 10), 1.0
        for failures in range(40):
            line.failed(0, now, refused())
            at, wait = line.choose(now)
            full = min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures)
            self.assertEqual(at, -1)
            self.assertTrue(full / 2 - 1e-6 <= wait <= full + 1e-6, wait)
            now += wait + 1e-6
            self.assertEqual(line.choose(now), (0, 0))

    def test_honours_retry_after_within_bounds(self):
        for said, least, most in ((7, 7, 7.7), (3600, MOST_RETRY_AFTER, 66)):
            line = Line(self.servers[:1], 10)
            line.failed(0, 1, refused(503, said))
            self.assertTrue(least - 1e-6 <= line.choose(1)[1] <= most + 1e-6)

    def test_puts_a_server_that_does_not_answer_last_for_other_tags_too(self):
        line, other = Line(self.servers[:2], 10), Line(self.servers[:2], 10)
        line.failed(0, 1, refused(None))
        self.assertEqual(other.choose(1), (1, 0))
        other.failed(1, 1, refused())
        self.assertEqual(other.choose(1), (0, 0), "suspect, but all that is left")
        self.assertEqual(line.choose(31.5), (0, 0), "and not for ever")

    def test_counts_a_refusal_for_its_tag_only(self):
        line, other = Line(self.servers[:2], 10), Line(self.servers[:2], 10)
        line.failed(0, 1, refused())
        self.assertEqual(other.choose(1), (0, 0))


class IntegerTest(unittest.TestCase):
    def test_reads_digits_and_nothing_else(self):
        for value, wanted in ((5, 5), ("5", 5), ("007", 7), (str(MAX_ID), MAX_ID)):
            self.assertEqual(integer(value), wanted)
        for value in (True, -1, 1.0, None, "", "-1", "+1", " 1", "1_0", "0x1", "٣", "1.0", [1], "9" * 20):
            self.assertIsNone(integer(value), value)


if __name__ == "__main__":
    unittest.main()
