package io.github.idalloc;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;

/**
 * The servers as one tag sees them: which is asked next, and when. A server that failed is left alone for a while, and the next
 * one asked at once. Reads no clock; times are nanoseconds of {@link System#nanoTime}. Guarded by its tag.
 */
final class Line {
    static final long FIRST_PAUSE = Duration.ofMillis(50).toNanos();
    static final long LONGEST_PAUSE = Duration.ofSeconds(2).toNanos();
    static final long MAX_RETRY_AFTER_SECONDS = 60;
    static final long SUSPICION = Duration.ofSeconds(30).toNanos();

    private final List<Server> servers;
    private final int[] failures;
    /** When a server that has failed may be asked again. */
    private final long[] retryAt;
    private final long longest;
    /** The server that answered last. */
    private int preferred;
    private Failure trouble;

    Line(List<Server> servers, long deadline) {
        this.servers = servers;
        this.failures = new int[servers.size()];
        this.retryAt = new long[servers.size()];
        this.longest = Math.min(LONGEST_PAUSE, deadline / 4);
    }

    /** The number of the server to ask now, or −1: {@link #pause} says for how long. */
    int choose(long now) {
        int suspect = -1;
        for (int i = 0; i < failures.length; i++) {
            int at = (preferred + i) % failures.length;
            if (rest(at, now) > 0) {
                continue;
            }
            if (!servers.get(at).isSuspect(now)) {
                return at;
            }
            if (suspect < 0) {
                suspect = at;
            }
        }
        return suspect;
    }

    /** How long until the first server may be asked again. */
    long pause(long now) {
        long shortest = Long.MAX_VALUE;
        for (int at = 0; at < failures.length; at++) {
            shortest = Math.min(shortest, rest(at, now));
        }
        return shortest;
    }

    private long rest(int server, long now) {
        return failures[server] == 0 ? 0 : Math.max(0, retryAt[server] - now);
    }

    void succeeded(int server) {
        preferred = server;
        trouble = null;
        failures[server] = 0;
        servers.get(server).answered();
    }

    void failed(int server, long now, Failure failure) {
        long pause = Math.min(longest, FIRST_PAUSE << Math.min(failures[server], 16));
        pause = pause / 2 + random(pause / 2);
        if (failure.retryAfterSeconds > 0) {
            // A little later than it said, so that not all clients come back at once.
            pause = Duration.ofSeconds(Math.min(failure.retryAfterSeconds, MAX_RETRY_AFTER_SECONDS)).toNanos();
            pause += random(pause / 10);
        }
        failures[server]++;
        retryAt[server] = now + pause;
        if (failure.status == 0) {
            servers.get(server).suspectUntil(now + SUSPICION);
        }
        trouble = failure;
    }

    /** The last failure, for messages; null after a success. */
    Failure trouble() {
        return trouble;
    }

    private static long random(long most) {
        return (long) (ThreadLocalRandom.current().nextDouble() * most);
    }
}
