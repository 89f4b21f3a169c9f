package io.github.idalloc;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;

/** Answers /range like a server, on a free port: from 1 on for every tag together, and unknown_tag for the tag "nope". */
public final class TestServer implements AutoCloseable {
    static {
        // It writes head and body apart; without this each answer takes the 40 ms of a delayed acknowledgement.
        System.setProperty("sun.net.httpserver.nodelay", "true");
    }

    private final HttpServer server;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final AtomicLong next = new AtomicLong(1);
    private final CountDownLatch over = new CountDownLatch(1);
    private final CountDownLatch asked = new CountDownLatch(1);
    private final boolean silent;

    /** The requests so far: {@code "HTTP/1.1 POST /range?…"}. */
    public final List<String> requests = new CopyOnWriteArrayList<>();
    /** Their headers of interest. */
    final List<String> upgrades = new CopyOnWriteArrayList<>();

    /** Starts one that answers. */
    public TestServer() {
        this(false);
    }

    private TestServer(boolean silent) {
        this.silent = silent;
        try {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        server.setExecutor(threads);
        server.createContext("/range", this::answer);
        server.start();
    }

    /** Starts one that accepts requests and answers none. */
    static TestServer silent() {
        return new TestServer(true);
    }

    /** Where it listens. */
    public String address() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    void awaitRequest() throws InterruptedException {
        asked.await();
    }

    private void answer(HttpExchange exchange) throws IOException {
        requests.add(exchange.getProtocol() + " " + exchange.getRequestMethod() + " " + exchange.getRequestURI());
        if (exchange.getRequestHeaders().containsKey("Upgrade")) {
            upgrades.add(exchange.getRequestHeaders().getFirst("Upgrade"));
        }
        asked.countDown();
        if (silent) {
            try {
                over.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            exchange.close();
            return;
        }
        String query = exchange.getRequestURI().getQuery();
        long count = Long.parseLong(query.replaceAll(".*count=", ""));
        boolean unknown = query.contains("biz_tag=nope");
        String text = unknown
                ? "{\"errno\":-1,\"msg\":\"unknown biz_tag\",\"id\":0,\"code\":\"unknown_tag\"}"
                : "{\"errno\":0,\"msg\":\"success\",\"first\":" + next.getAndAdd(count) + ",\"count\":" + count + "}";
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(unknown ? 404 : 200, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    @Override
    public void close() {
        over.countDown();
        server.stop(0);
        threads.shutdownNow();
    }
}
