package io.github.idalloc;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/**
 * Measures {@code next} beside a plain {@link AtomicLong}, against a running server: {@code Bench ADDRESS TAG SECONDS}. The tag
 * needs a large step. Prints a line of JSON for each measurement, which scripts/bench reads.
 */
final class Bench {
    /** So many ids are taken between two looks at the clock. */
    private static final int BATCH = 10_000;
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final double seconds;
    private volatile long sink;

    private Bench(double seconds) {
        this.seconds = seconds;
    }

    public static void main(String[] arguments) throws InterruptedException {
        Bench bench = new Bench(Double.parseDouble(arguments[2]));
        try (IdAllocClient client = IdAllocClient.builder().server(arguments[0]).build()) {
            Tag tag = client.tag(arguments[1]);
            AtomicLong counter = new AtomicLong();
            bench.measure("next", 1, tag::next); // compiled meanwhile, and ranges get their size
            for (int threads = 1; threads <= 2; threads++) {
                System.out.println(bench.measure("next", threads, tag::next));
                System.out.println(bench.measure("counter", threads, counter::getAndIncrement));
            }
            System.out.println(bench.latency(tag));
        }
    }

    private String measure(String what, int threads, LongSupplier take) throws InterruptedException {
        AtomicLong ids = new AtomicLong();
        CountDownLatch done = new CountDownLatch(threads);
        long began = System.nanoTime();
        long used = SYSTEM.getProcessCpuTime();
        for (int i = 0; i < threads; i++) {
            new Thread(() -> {
                while (System.nanoTime() - began < seconds * 1e9) {
                    sink = batch(take);
                    ids.addAndGet(BATCH);
                }
                done.countDown();
            }).start();
        }
        done.await();
        return String.format(Locale.ROOT, "{\"what\": \"%s\", \"threads\": %d, \"ids\": %d, \"seconds\": %.6f, \"cpu\": %.6f}", what, threads,
                ids.get(), (System.nanoTime() - began) / 1e9, (SYSTEM.getProcessCpuTime() - used) / 1e9);
    }

    private static long batch(LongSupplier take) {
        long sum = 0;
        for (int i = 0; i < BATCH; i++) {
            sum += take.getAsLong();
        }
        return sum;
    }

    /** Nanoseconds of single calls, with what it takes to read the clock. */
    private String latency(Tag tag) {
        long[] times = new long[1_000_000];
        for (int i = 0; i < times.length; i++) {
            long began = System.nanoTime();
            sink = tag.next();
            times[i] = System.nanoTime() - began;
        }
        Arrays.sort(times);
        return String.format(Locale.ROOT, "{\"what\": \"latency\", \"p50\": %d, \"p99\": %d, \"p999\": %d, \"ids\": %d}", times[times.length / 2],
                times[(int) (times.length * 0.99)], times[(int) (times.length * 0.999)], times.length);
    }
}
