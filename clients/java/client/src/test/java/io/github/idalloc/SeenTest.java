package io.github.idalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SeenTest {
    @Test
    void refusesExactlyWhatItHasSeen() {
        Random random = new Random(1);
        Seen seen = new Seen();
        Set<Long> ids = new HashSet<>();
        for (int round = 0; round < 20_000; round++) {
            long first = random.nextInt(5000);
            long count = 1 + random.nextInt(12);
            boolean free = true;
            for (long id = first; id < first + count; id++) {
                free &= !ids.contains(id);
            }
            assertEquals(free, seen.add(first, count), count + " ids from " + first);
            for (long id = first; free && id < first + count; id++) {
                ids.add(id);
            }
        }
    }

    @Test
    void joinsNeighbours() {
        Seen seen = new Seen();
        assertTrue(seen.add(1, 10) && seen.add(21, 10));
        assertEquals(2, seen.size());
        assertTrue(seen.add(11, 10));
        assertEquals(1, seen.size());
        assertTrue(seen.add(31, 1) && seen.add(0, 1));
        assertEquals(1, seen.size());
    }

    @Test
    void isBoundedAndForgetsNothing() {
        Random random = new Random(2);
        Seen seen = new Seen();
        List<Long> given = new ArrayList<>();
        for (long next = 0; given.size() < 10_000; next += 12 + random.nextInt(1000)) {
            assertTrue(seen.add(next, 10), "a range above all others");
            assertTrue(seen.size() <= Seen.RUNS);
            given.add(next);
        }
        for (long first : given) {
            assertFalse(seen.add(first, 1));
            assertFalse(seen.add(first + 9, 1));
        }
    }

    @Test
    void keepsTheLargestGaps() {
        Seen seen = new Seen();
        seen.add(1, 10);
        for (long i = 0; i < 2 * Seen.RUNS; i++) {
            seen.add(5_000_000 + i * 20, 10);
        }
        assertTrue(seen.add(11, 100_000), "what another server still has below");
    }

    @Test
    void hasRoomForTheLargestId() {
        Seen seen = new Seen();
        assertTrue(seen.add(Long.MAX_VALUE, 1) && seen.add(Long.MAX_VALUE - 10, 10) && seen.add(0, 1));
        assertFalse(seen.add(Long.MAX_VALUE, 1));
        assertEquals(2, seen.size());
    }
}
