package io.github.idalloc;

import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Hands out the ids of one tag; made by {@link IdAllocClient#tag}. Safe for use by many threads.
 *
 * <p>Ids of one tag and client rise as long as they come from one server, and in trend across servers.
 */
public final class Tag {
    private final IdAllocClient client;
    private final String name;

    /** Where ids are taken from without a lock. Replaced under the lock, and only when it is used up. */
    private volatile Span current = Span.empty();

    // Everything below is guarded by this object's lock.
    final Pace pace;
    final Line line;
    final Seen seen = new Seen();
    /** The range after the current one; null while it is fetched. */
    private Span reserve;
    /** The fetch on its way; null if there is none. */
    private Refill refill;
    /** How many ids the callers wait for who found none in memory. */
    private long waiting;
    private boolean closed;

    Tag(IdAllocClient client, String name) {
        this.client = client;
        this.name = name;
        this.pace = new Pace(client.rangeDuration, client.maxRange);
        this.line = new Line(client.servers, client.deadline);
    }

    /**
     * The tag's name.
     *
     * @return as it was given
     */
    public String name() {
        return name;
    }

    /**
     * Returns an id. Waits only when none is in memory: until one is there, the client's deadline has passed, or the thread is
     * interrupted.
     *
     * @return the id
     * @throws IdAllocException where there is none; its classes say why
     */
    public long next() {
        // One addition where an id is there.
        Span span = current;
        long used = span.getAndIncrement();
        if (used < span.count) {
            return span.first + used;
        }
        Wait wait = new Wait();
        span = wait.take(1);
        return span.first + wait.start;
    }

    /**
     * Returns {@code n} ids, which need not follow each other without gaps. Either all come or an exception.
     *
     * @param n at least 1
     * @return the ids, as many as wanted
     * @throws IdAllocException where there are not as many; its classes say why
     */
    public long[] nextMany(int n) {
        if (n < 1) {
            throw new IllegalArgumentException("nextMany wants at least 1 id, not " + n);
        }
        long[] ids = new long[(int) Math.min(n, client.maxRange)];
        Wait wait = new Wait();
        int have = 0;
        while (have < n) {
            if (have == ids.length) {
                ids = Arrays.copyOf(ids, (int) Math.min(n, 2L * have));
            }
            int wanted = n - have;
            Span span = wait.take(wanted);
            int got = (int) Math.min(wanted, span.count - wait.start);
            if (got > ids.length - have) {
                ids = Arrays.copyOf(ids, (int) Math.min(n, Math.max(2L * ids.length, (long) have + got)));
            }
            for (int i = 0; i < got; i++) {
                ids[have++] = span.first + wait.start + i;
            }
        }
        return ids;
    }

    /** One call that may have to wait, with its deadline, which begins when it first has to. */
    private final class Wait {
        private boolean begun;
        private long deadline;
        /** Where the ids taken last begin in their range. */
        private long start;

        /** Takes up to {@code n} ids, at least one, and returns their range. */
        Span take(long n) {
            while (true) {
                Span span = current;
                start = span.take(n);
                if (start < span.count) {
                    return span;
                }
                Refill fetching = advance(n);
                if (fetching != null) {
                    await(fetching, n);
                }
            }
        }

        private void await(Refill fetching, long n) {
            if (!begun) {
                begun = true;
                deadline = System.nanoTime() + client.deadline;
            }
            Failure refusal;
            try {
                refusal = fetching.done.get(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                throw late();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IdAllocException(name, "the thread was interrupted while waiting for ids", e);
            } catch (ExecutionException e) {
                throw new IllegalStateException(e); // nobody completes it that way
            } finally {
                synchronized (Tag.this) {
                    waiting -= n;
                }
            }
            if (refusal != null) {
                throw refusal.exception(name);
            }
        }
    }

    /**
     * Makes the reserve the current range if that is used up, and sees to it that the next one is fetched. Returns the fetch to
     * wait for, counting the caller among those who wait, or null if the caller should try again.
     */
    private Refill advance(long n) {
        Refill started;
        Refill awaited;
        synchronized (this) {
            if (closed) {
                throw new IdAllocException(name, "the client is closed");
            }
            Span used = current;
            if (!used.usedUp()) {
                return null;
            }
            if (reserve != null) {
                pace.usedUp(used.count, client.clock.getAsLong());
                current = reserve;
                reserve = null;
                started = fetch();
                awaited = null;
            } else {
                pace.ranDry(client.clock.getAsLong());
                waiting += n;
                started = fetch();
                awaited = refill;
            }
        }
        if (started != null) {
            started.run();
        }
        return awaited;
    }

    /** A new fetch, unless one is on its way. */
    private Refill fetch() {
        if (refill != null) {
            return null;
        }
        refill = new Refill(client, this, pace.next(client.clock.getAsLong()));
        return refill;
    }

    long waiting() {
        return waiting;
    }

    /** The range that was fetched. */
    void arrived(Span range) {
        reserve = range;
        refill = null;
        pace.arrived(client.clock.getAsLong());
    }

    /** The fetch has ended without a range. */
    void refused() {
        refill = null;
    }

    /** Whether the next caller finds no id. */
    synchronized boolean isDry() {
        return current.usedUp() && reserve == null;
    }

    /** Lets nobody have another id, and ends those who wait. */
    void close() {
        Refill running;
        synchronized (this) {
            closed = true;
            current = Span.empty();
            reserve = null;
            running = refill;
            refill = null;
        }
        if (running != null) {
            running.close();
        }
    }

    private synchronized IdAllocException late() {
        Failure trouble = line.trouble();
        return new IdAllocException.Unavailable(name,
                "no ids within " + Duration.ofNanos(client.deadline) + (trouble == null ? "" : ": " + trouble));
    }
}
