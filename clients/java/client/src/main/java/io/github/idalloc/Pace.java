package io.github.idalloc;

/**
 * Decides how large the next range is, so that one lasts about the wanted duration at the recent rate: at most double the size
 * before, at least 1, at most the limit. Reads no clock; times are nanoseconds of one clock. Guarded by its tag.
 */
final class Pace {
    /** How many ids a client asks for that knows nothing of the rate. */
    static final long FIRST_RANGE = 16;

    private final long duration;
    private long limit;
    /** Of the last range; 0 before the first. */
    private long size;
    /** The ids of the ranges that were used up since {@code since}. */
    private long used;
    private long since;
    private boolean measuring;
    /** Since when nobody found an id. Time without ids says nothing of the rate. */
    private long dryFrom;
    private boolean dry;

    Pace(long durationNanos, long limit) {
        this.duration = durationNanos;
        this.limit = limit;
    }

    /** The size of a range to be fetched from now on. */
    long next(long now) {
        if (size == 0) {
            size = FIRST_RANGE;
        } else if (used > 0) {
            double wanted = 2.0 * size;
            long elapsed = now - since;
            if (elapsed > 0) {
                wanted = Math.min(wanted, (double) used * duration / elapsed);
            }
            size = (long) wanted;
            used = 0;
            since = now;
        }
        size = bound(size);
        return size;
    }

    /** Takes note of a range of {@code count} ids that has come to its end. */
    void usedUp(long count, long now) {
        used += count;
        if (!measuring) {
            measuring = true;
            since = now;
        }
    }

    /** Takes note that somebody found no id. */
    void ranDry(long now) {
        if (!dry) {
            dry = true;
            dryFrom = now;
        }
    }

    /** Takes note that there are ids again. */
    void arrived(long now) {
        if (dry) {
            since += now - dryFrom;
            dry = false;
        }
    }

    /** What may be asked for of what is wanted. */
    long bound(long wanted) {
        return Math.max(1, Math.min(wanted, limit));
    }

    /** Lowers the limit for good: a server does not give more at once. */
    void permit(long most) {
        limit = Math.max(1, Math.min(limit, most));
    }
}
