package io.github.idalloc;

import java.util.concurrent.atomic.AtomicLong;

/**
 * A range that ids are taken from; its value is how many were. Each range has a counter of its own, so a caller who looked at one
 * that is used up meanwhile can only find it used up.
 */
final class Span extends AtomicLong {
    private static final long serialVersionUID = 1L;

    final long first;
    final long count;

    Span(long first, long count) {
        this.first = first;
        this.count = count;
    }

    static Span empty() {
        return new Span(0, 0);
    }

    /** Takes up to {@code n} ids, and returns where they begin in the range: below {@code count}, unless it is used up. */
    long take(long n) {
        // Looks first, so that the value never comes near its own end.
        return usedUp() ? count : getAndAdd(n);
    }

    boolean usedUp() {
        return get() >= count;
    }
}
