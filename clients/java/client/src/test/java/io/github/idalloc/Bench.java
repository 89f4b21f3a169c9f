package io.github.idalloc;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/** Measures {@code next} beside a plain {@link AtomicLong}, on one thread and on two; the README tells how it is run. */
final class Bench {
    private static final long IDS = 50_000_000;
    private static final int ROUNDS = 5;

    public static void main(String[] arguments) throws InterruptedException {
        try (TestServer server = new TestServer();
                IdAllocClient client = IdAllocClient.builder().server(server.address()).build()) {
            Tag tag = client.tag("bench");
            AtomicLong counter = new AtomicLong();
            for (int threads = 1; threads <= 2; threads++) {
                report("Tag.next", threads, tag::next);
                report("AtomicLong.getAndIncrement", threads, counter::getAndIncrement);
            }
        }
    }

    /** The best of some rounds: the first ones are compiled meanwhile, and ranges grow. */
    private static void report(String what, int threads, LongSupplier ids) throws InterruptedException {
        double best = 0;
        for (int round = 0; round < ROUNDS; round++) {
            best = Math.max(best, measure(threads, ids));
        }
        System.out.printf("%-28s %d thread%s %6.1f million/s%n", what, threads, threads == 1 ? " " : "s", best / 1e6);
    }

    private static double measure(int threads, LongSupplier ids) throws InterruptedException {
        CountDownLatch done = new CountDownLatch(threads);
        long started = System.nanoTime();
        for (int i = 0; i < threads; i++) {
            new Thread(() -> {
                long last = -1;
                for (long n = 0; n < IDS / threads; n++) {
                    long id = ids.getAsLong();
                    if (id <= last) {
                        throw new AssertionError(id + " after " + last);
                    }
                    last = id;
                }
                done.countDown();
            }).start();
        }
        done.await();
        return IDS / threads * threads / ((System.nanoTime() - started) / 1e9);
    }
}
