package io.github.idalloc;

import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;

/**
 * Takes ids from id-alloc servers in ranges and counts them out in memory. Safe for use by many threads; make one per process.
 *
 * <p>A client keeps, for each tag, a current range and one in reserve, which it fetches in the background. So {@link Tag#next} is
 * a matter of nanoseconds, and an outage of the servers goes unnoticed while ids are in memory (about
 * {@link Builder#rangeDuration}, twice that at most). Ids are unique. Ids in memory are lost when the process ends: gaps are normal.
 *
 * <pre>{@code
 * try (IdAllocClient client = IdAllocClient.builder().server("http://127.0.0.1:8880").build()) {
 *     long id = client.tag("order").next();
 * }
 * }</pre>
 */
public final class IdAllocClient implements AutoCloseable {
    // Inside: Tag hands ids out, Refill gets ranges, Pace says how large they are, Line which server is asked and when, Attempt
    // asks it, Answer says what is a good one, Seen that none is used twice. The rules are those of ../conformance/README.md.

    final List<Server> servers;
    final String token;
    /** Nanoseconds. */
    final long rangeDuration;
    final long maxRange;
    /** Nanoseconds. */
    final long deadline;
    /** By which rates are measured, in nanoseconds; tests replace it. */
    final LongSupplier clock;

    private final ConcurrentHashMap<String, Tag> tags = new ConcurrentHashMap<>();
    /** Null once closed: its threads end when nobody holds it any more. */
    private volatile HttpClient http;
    private boolean closed;

    IdAllocClient(Builder builder, LongSupplier clock) {
        if (builder.servers.isEmpty()) {
            throw new IllegalArgumentException("no servers: name at least one, such as http://127.0.0.1:8880");
        }
        this.servers = List.copyOf(builder.servers);
        this.token = builder.token;
        this.rangeDuration = builder.rangeDuration;
        this.maxRange = builder.maxRange;
        this.deadline = builder.deadline;
        this.clock = clock;
        this.http = HttpClient.newBuilder()
                // Otherwise each connection over plain HTTP begins with an offer to upgrade to HTTP/2.
                .version(HttpClient.Version.HTTP_1_1)
                // What stands between a client and an id server is named as a server. A redirect is no answer with ids, and the
                // token is nobody else's business.
                .proxy(HttpClient.Builder.NO_PROXY)
                .followRedirects(HttpClient.Redirect.NEVER)
                .build();
    }

    /**
     * Begins a client.
     *
     * @return its options, of which at least one server has to be set
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Returns the handle of a tag; always the same one.
     *
     * @param name the tag's name
     * @return keep it, or ask for it each time
     */
    public Tag tag(String name) {
        Tag tag = tags.get(name);
        return tag != null ? tag : newTag(name);
    }

    private synchronized Tag newTag(String name) {
        return tags.computeIfAbsent(name, key -> {
            if (!StandardCharsets.UTF_8.newEncoder().canEncode(key)) {
                throw new IllegalArgumentException("a tag with half a character (a surrogate without its other half)");
            }
            Tag tag = new Tag(this, key);
            if (closed) {
                tag.close();
            }
            return tag;
        });
    }

    HttpClient http() {
        return http;
    }

    /**
     * Ends those who wait with an {@link IdAllocException} that says so, cancels requests on their way, and drops the ids in
     * memory. May be called again.
     */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
        }
        tags.values().forEach(Tag::close);
        HttpClient last = http;
        http = null;
        if (last != null) {
            shutDown(last);
        }
    }

    /** Closes its connections at once, which Java can since 21; before that they are closed when it is collected. */
    private static void shutDown(HttpClient http) {
        try {
            HttpClient.class.getMethod("shutdownNow").invoke(http);
        } catch (ReflectiveOperationException e) {
            // An older Java.
        }
    }

    /** Options of a client. */
    public static final class Builder {
        private final List<Server> servers = new ArrayList<>();
        private String token;
        private long rangeDuration = Duration.ofSeconds(10).toNanos();
        private long maxRange = 10_000_000;
        private long deadline = Duration.ofSeconds(10).toNanos();

        private Builder() {
        }

        /**
         * Adds a server. The first is asked until it fails, then the next one at once. Let processes list them in different
         * orders to spread their load.
         *
         * @param address such as {@code http://10.0.0.1:8880}
         * @return this
         */
        public Builder server(String address) {
            servers.add(new Server(address));
            return this;
        }

        /**
         * Adds servers, see {@link #server}.
         *
         * @param addresses in the order in which they are asked
         * @return this
         */
        public Builder servers(Iterable<String> addresses) {
            addresses.forEach(this::server);
            return this;
        }

        /**
         * Sets what is sent as {@code Authorization: Bearer TOKEN}.
         *
         * @param secret the token; null or empty for none
         * @return this
         */
        public Builder token(String secret) {
            if (secret != null && !secret.chars().allMatch(c -> c > ' ' && c <= '~')) {
                throw new IllegalArgumentException("the token has a character that no token has, such as a line end");
            }
            token = secret == null || secret.isEmpty() ? null : secret;
            return this;
        }

        /**
         * Sets how long one range should last at the current rate (10 s). Longer survives longer outages; up to twice as much
         * is lost when the process ends.
         *
         * @param duration more than nothing
         * @return this
         */
        public Builder rangeDuration(Duration duration) {
            rangeDuration = positive("rangeDuration", duration);
            return this;
        }

        /**
         * Bounds a range (10,000,000, as {@code limits.max_range} of the server does).
         *
         * @param ids at least 1
         * @return this
         */
        public Builder maxRange(long ids) {
            if (ids < 1) {
                throw new IllegalArgumentException("maxRange is " + ids + "; it has to be at least 1");
            }
            maxRange = ids;
            return this;
        }

        /**
         * Bounds how long a call waits for ids when none are in memory (10 s). One attempt at one server takes at most a quarter
         * of it.
         *
         * @param duration at least a millisecond
         * @return this
         */
        public Builder deadline(Duration duration) {
            deadline = positive("deadline", duration);
            return this;
        }

        /**
         * Makes the client. It sends nothing until ids are wanted.
         *
         * @return the client
         */
        public IdAllocClient build() {
            return build(System::nanoTime);
        }

        IdAllocClient build(LongSupplier clock) {
            return new IdAllocClient(this, clock);
        }

        private static long positive(String what, Duration duration) {
            // A hundred years are as good as more, and fit.
            if (duration.compareTo(Duration.ofMillis(1)) < 0 || duration.compareTo(Duration.ofDays(36_500)) > 0) {
                throw new IllegalArgumentException(what + " is " + duration + "; it has to be between 1 ms and 100 years");
            }
            return duration.toNanos();
        }
    }
}
