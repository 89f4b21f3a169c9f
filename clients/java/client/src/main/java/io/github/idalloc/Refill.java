package io.github.idalloc;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * The fetch of one range: attempts until one succeeds, the servers refuse for good, or the client closes. Everything happens on
 * threads of the HTTP client and of the JDK's timer; none waits.
 */
final class Refill {
    private final IdAllocClient client;
    private final Tag tag;
    private final long size;

    /** Completed with null when the range has come or the tag was closed, or with why the servers refused for good. */
    final CompletableFuture<Failure> done = new CompletableFuture<>();

    /** How often a server had no ids for this size. */
    private int shrink;
    private Attempt attempt;

    Refill(IdAllocClient client, Tag tag, long size) {
        this.client = client;
        this.tag = tag;
        this.size = size;
    }

    /** Asks the next server, now or after a pause. Called without the tag's lock. */
    void run() {
        Attempt next;
        synchronized (tag) {
            if (done.isDone()) {
                return;
            }
            long now = System.nanoTime();
            int server = tag.line.choose(now);
            if (server < 0) {
                CompletableFuture.delayedExecutor(tag.line.pause(now), TimeUnit.NANOSECONDS).execute(this::run);
                return;
            }
            long count = tag.pace.bound(Math.max(size >> Math.min(shrink, 4), tag.waiting()));
            String query = "biz_tag=" + URLEncoder.encode(tag.name(), StandardCharsets.UTF_8) + "&count=" + count;
            next = new Attempt(client.http(), client.servers.get(server), query, client.token, client.deadline / 4,
                    (answer, failure) -> settle(server, count, answer, failure));
            attempt = next;
        }
        next.start();
    }

    /** Takes note of an attempt, and makes the next one where it brought no ids. */
    private void settle(int server, long count, Answer answer, Failure noAnswer) {
        Failure failure = noAnswer != null ? noAnswer : answer.failure(count);
        boolean over;
        synchronized (tag) {
            if (done.isDone()) {
                return;
            }
            if (failure == null && !tag.seen.add(answer.first(), count)) {
                failure = Failure.badAnswer(client.servers.get(server), "ids " + answer.first() + " to "
                        + (answer.first() + count - 1) + ", of which this client was given some before; is there a cache or a"
                        + " proxy that repeats answers?");
            }
            over = failure == null;
            if (failure == null) {
                tag.line.succeeded(server);
                tag.arrived(new Span(answer.first(), count));
            } else if (failure.kind == Failure.Kind.TOO_MANY && count > 1) {
                tag.pace.permit(count / 2);
            } else if (failure.isFinal()) {
                tag.refused();
                over = true;
            } else {
                shrink += failure.kind == Failure.Kind.NO_IDS ? 1 : 0;
                tag.line.failed(server, System.nanoTime(), failure);
            }
        }
        if (over) {
            done.complete(failure);
        } else {
            run();
        }
    }

    /** Ends it, and with it those who wait: they find the tag closed. Called without the tag's lock. */
    void close() {
        Attempt running;
        synchronized (tag) {
            done.complete(null);
            running = attempt;
        }
        if (running != null) {
            running.cancel();
        }
    }
}
