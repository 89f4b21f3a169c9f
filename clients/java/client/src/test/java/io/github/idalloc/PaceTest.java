package io.github.idalloc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class PaceTest {
    private static final long SECOND = Duration.ofSeconds(1).toNanos();

    /** A pace whose last range had {@code size} ids, measuring since second 0. */
    private static Pace of(long size) {
        Pace pace = new Pace(10 * SECOND, 1_000_000);
        pace.usedUp(1, 0);
        while (pace.next(0) < size) {
            pace.usedUp(1, 0);
        }
        return pace;
    }

    @Test
    void doublesAtMost() {
        Pace pace = new Pace(10 * SECOND, 1000);
        long[] sizes = new long[9];
        for (int i = 0; i < sizes.length; i++) {
            sizes[i] = pace.next(0);
            if (i > 0) {
                pace.usedUp(sizes[i - 1], 0);
            }
        }
        assertArrayEquals(new long[] {16, 16, 32, 64, 128, 256, 512, 1000, 1000}, sizes);
    }

    @Test
    void followsTheRateDownAtOnce() {
        Pace pace = of(8192);
        pace.usedUp(8192, 8192 * SECOND);
        assertEquals(10, pace.next(8192 * SECOND), "one id a second for 10 s");
        pace.usedUp(10, 9_000_000 * SECOND);
        assertEquals(1, pace.next(9_000_000 * SECOND));
    }

    @Test
    void doesNotCountTimeWithoutIds() {
        Pace pace = of(1024);
        pace.ranDry(10 * SECOND);
        pace.ranDry(20 * SECOND);
        pace.arrived(100 * SECOND); // 90 s of outage
        pace.usedUp(1000, 100 * SECOND);
        assertEquals(1000, pace.next(100 * SECOND), "100 ids a second for 10 s");
    }

    @Test
    void permitsLessForGood() {
        Pace pace = new Pace(10 * SECOND, 1000);
        pace.permit(100);
        pace.permit(500);
        assertEquals(100, pace.bound(700));
        pace.permit(0);
        assertEquals(1, pace.bound(700));
    }
}
