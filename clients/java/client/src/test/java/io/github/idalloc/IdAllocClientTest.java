package io.github.idalloc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is particular to Java; the rest is in the conformance suite. */
class IdAllocClientTest {
    private static IdAllocClient client(TestServer server) {
        return IdAllocClient.builder().server(server.address()).build();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "127.0.0.1:8880", "ftp://127.0.0.1", "http://", "http://a?b=c", "http://a#b", "http://user:pw@a", "http://a b"})
    void addressesThatCannotWorkAreRefused(String address) {
        assertThrows(IllegalArgumentException.class, () -> IdAllocClient.builder().server(address));
    }

    @Test
    void optionsThatCannotWorkAreRefused() {
        IdAllocClient.Builder builder = IdAllocClient.builder();
        assertThrows(IllegalArgumentException.class, builder::build, "no servers");
        assertThrows(IllegalArgumentException.class, () -> builder.maxRange(0));
        assertThrows(IllegalArgumentException.class, () -> builder.deadline(Duration.ZERO));
        assertThrows(IllegalArgumentException.class, () -> builder.rangeDuration(Duration.ofSeconds(-1)));
        assertThrows(IllegalArgumentException.class, () -> builder.deadline(Duration.ofSeconds(Long.MAX_VALUE)));
        assertThrows(IllegalArgumentException.class, () -> builder.token("token\n"));
    }

    @Test
    void errorsSayWhatTheServerSaid() {
        try (TestServer server = new TestServer(); IdAllocClient client = client(server)) {
            IdAllocException error = assertThrows(IdAllocException.class, () -> client.tag("nope").next());
            assertInstanceOf(IdAllocException.UnknownTag.class, error);
            assertEquals("tag \"nope\": unknown tag: " + server.address() + " answered 404 unknown_tag: unknown biz_tag",
                    error.getMessage());
            assertEquals("nope", error.tag());
            assertEquals(server.address(), error.server());
            assertEquals(404, error.status());
            assertEquals("unknown_tag", error.code());
        }
    }

    @Test
    void requestsAreHttp11WithoutAnOfferOfHttp2() {
        try (TestServer server = new TestServer(); IdAllocClient client = client(server)) {
            client.tag("order").nextMany(100);
            assertTrue(server.requests.stream().allMatch(line -> line.startsWith("HTTP/1.1 POST ")), server.requests::toString);
            assertTrue(server.upgrades.isEmpty());
        }
    }

    @Test
    void anInterruptedThreadStopsWaitingAndStaysInterrupted() throws Exception {
        try (TestServer server = TestServer.silent(); IdAllocClient client = client(server)) {
            CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
            Thread thread = new Thread(() -> {
                try {
                    client.tag("order").next();
                } catch (IdAllocException e) {
                    interrupted.complete(Thread.currentThread().isInterrupted() && e.getCause() instanceof InterruptedException);
                }
            });
            thread.start();
            server.awaitRequest();
            thread.interrupt();
            assertTrue(interrupted.get());
        }
    }

    @Test
    void idsInMemoryAreGivenToAnInterruptedThreadToo() {
        try (TestServer server = new TestServer(); IdAllocClient client = client(server)) {
            assertEquals(1, client.tag("order").next());
            Thread.currentThread().interrupt();
            assertEquals(2, client.tag("order").next());
            assertTrue(Thread.interrupted());
        }
    }

    @Test
    void nextManyCrossesRanges() {
        try (TestServer server = new TestServer();
                IdAllocClient client = IdAllocClient.builder().server(server.address()).maxRange(3).build()) {
            long[] ids = client.tag("order").nextMany(10);
            assertArrayEquals(new long[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, ids);
            assertThrows(IllegalArgumentException.class, () -> client.tag("order").nextMany(0));
        }
    }

    @Test
    void aTagIsAlwaysTheSameHandle() {
        try (TestServer server = new TestServer(); IdAllocClient client = client(server)) {
            assertSame(client.tag("order"), client.tag("order"));
            assertThrows(IllegalArgumentException.class, () -> client.tag("half a crab: \ud83e"));
        }
    }

    @Test
    void aTagAskedForAfterCloseIsClosed() {
        try (TestServer server = new TestServer()) {
            IdAllocClient client = client(server);
            client.close();
            IdAllocException error = assertThrows(IdAllocException.class, () -> client.tag("another").next());
            assertTrue(error.getMessage().contains("closed"), error::getMessage);
            assertFalse(error instanceof IdAllocException.Unavailable);
            assertTrue(server.requests.isEmpty());
        }
    }
}
