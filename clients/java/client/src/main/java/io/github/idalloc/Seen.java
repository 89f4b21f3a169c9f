package io.github.idalloc;

import java.util.Map;
import java.util.TreeMap;

/**
 * Remembers every range that a tag was answered, and refuses what overlaps one: a cache or a proxy has repeated an answer, or the
 * servers' data went back.
 *
 * <p>"Above everything so far" would be too strict, since servers hand out from different segments: after a change of server good
 * ranges may lie below earlier ones. Neighbours are joined, and where there are more than {@link #RUNS} runs, the two with the
 * smallest gap between them become one, with the gap. So nothing is ever forgotten. The price is that a good range in such a gap is
 * refused; the server has moved past it at the next attempt. Guarded by its tag.
 */
final class Seen {
    static final int RUNS = 1024;

    /** First to last id of each run, which neither touch nor overlap; both included, so that the largest id has a place. */
    private final TreeMap<Long, Long> runs = new TreeMap<>();

    /** Takes note of a range; false if an id of it was there before. */
    boolean add(long first, long count) {
        long last = first + count - 1;
        Map.Entry<Long, Long> lower = runs.floorEntry(last);
        if (lower != null && lower.getValue() >= first) {
            return false;
        }
        long from = first;
        long to = last;
        if (lower != null && lower.getValue() == first - 1) {
            from = lower.getKey();
        }
        if (last < Long.MAX_VALUE && runs.containsKey(last + 1)) {
            to = runs.remove(last + 1);
        }
        runs.put(from, to);
        if (runs.size() > RUNS) {
            joinClosest();
        }
        return true;
    }

    private void joinClosest() {
        Map.Entry<Long, Long> before = null;
        Map.Entry<Long, Long> left = null;
        Map.Entry<Long, Long> right = null;
        for (Map.Entry<Long, Long> run : runs.entrySet()) {
            if (before != null && (left == null || run.getKey() - before.getValue() < right.getKey() - left.getValue())) {
                left = before;
                right = run;
            }
            before = run;
        }
        long from = left.getKey();
        long to = right.getValue();
        runs.remove(right.getKey());
        runs.put(from, to);
    }

    int size() {
        return runs.size();
    }
}
