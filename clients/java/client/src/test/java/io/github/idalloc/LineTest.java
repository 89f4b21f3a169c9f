package io.github.idalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LineTest {
    private static final long SECOND = Duration.ofSeconds(1).toNanos();

    private static List<Server> servers(int count) {
        List<Server> servers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            servers.add(new Server("http://127.0.0.1:1"));
        }
        return servers;
    }

    private static Failure status(int status, long retryAfter) {
        return new Failure(Failure.Kind.PASSING, "a server", status, "", "", retryAfter);
    }

    @Test
    void asksTheNextServerAtOnceAndStaysThere() {
        Line line = new Line(servers(3), 10 * SECOND);
        assertEquals(0, line.choose(0));
        line.failed(0, 0, status(500, 0));
        assertEquals(1, line.choose(0));
        line.failed(1, 0, status(500, 0));
        assertEquals(2, line.choose(0));
        line.succeeded(2);
        assertEquals(2, line.choose(100 * SECOND));
        line.failed(2, 100 * SECOND, status(500, 0));
        assertEquals(0, line.choose(100 * SECOND));
    }

    @Test
    void pausesGrowAndAreBounded() {
        Line line = new Line(servers(1), 10 * SECOND);
        long now = Long.MAX_VALUE - SECOND; // nanoTime may overflow
        for (int failures = 0; failures < 40; failures++) {
            line.failed(0, now, status(500, 0));
            assertEquals(-1, line.choose(now));
            long pause = line.pause(now);
            long full = Math.min(Line.LONGEST_PAUSE, Line.FIRST_PAUSE << Math.min(failures, 10));
            assertTrue(pause >= full / 2 && pause <= full, failures + 1 + " failures, a pause of " + pause);
            now += pause;
            assertEquals(0, line.choose(now));
        }
        line.succeeded(0);
        assertEquals(0, line.choose(now));
    }

    @Test
    void honoursRetryAfterWithinBounds() {
        for (long[] saidAndMost : new long[][] {{7, 7700}, {3600, 66_000}}) {
            Line line = new Line(servers(1), 10 * SECOND);
            line.failed(0, 0, status(503, saidAndMost[0]));
            long pause = line.pause(0);
            assertTrue(pause >= Math.min(saidAndMost[0], 60) * SECOND && pause <= saidAndMost[1] * SECOND / 1000,
                    saidAndMost[0] + " s became " + pause);
        }
    }

    @Test
    void putsAServerThatDoesNotAnswerLastForOtherTagsToo() {
        List<Server> servers = servers(2);
        Line line = new Line(servers, 10 * SECOND);
        Line other = new Line(servers, 10 * SECOND);
        line.failed(0, 0, status(0, 0));
        assertEquals(1, other.choose(0));
        other.failed(1, 0, status(500, 0));
        assertEquals(0, other.choose(0), "suspect, but all that is left");
        assertEquals(1, other.choose(SECOND), "suspect still");
        assertEquals(0, line.choose(31 * SECOND), "and not for ever");
    }

    @Test
    void countsARefusalForItsTagOnly() {
        List<Server> servers = servers(2);
        new Line(servers, 10 * SECOND).failed(0, 0, status(500, 0));
        assertEquals(0, new Line(servers, 10 * SECOND).choose(0));
    }
}
