package io.github.idalloc;

import java.io.EOFException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import javax.net.ssl.SSLException;

/** One attempt at one server: sends the request, and again where a kept connection turns out to be closed. */
final class Attempt {
    private final HttpClient http;
    private final Server server;
    private final HttpRequest request;
    private final long started = System.nanoTime();
    private final long patience;
    private final BiConsumer<Answer, Failure> then;

    private CompletableFuture<HttpResponse<byte[]>> sent;
    private Body body;
    private boolean canceled;

    /**
     * Prepares an attempt.
     *
     * @param patience in nanoseconds, for all of it
     * @param then gets the whole answer, or why there is none, unless the attempt is cancelled
     */
    Attempt(HttpClient http, Server server, String query, String token, long patience, BiConsumer<Answer, Failure> then) {
        HttpRequest.Builder builder = HttpRequest.newBuilder(server.range(query))
                .POST(HttpRequest.BodyPublishers.noBody())
                .timeout(Duration.ofNanos(patience))
                .header("Cache-Control", "no-store")
                .header("Accept", "application/json");
        if (token != null) {
            builder.header("Authorization", "Bearer " + token);
        }
        this.http = http;
        this.server = server;
        this.request = builder.build();
        this.patience = patience;
        this.then = then;
    }

    void start() {
        boolean maybeClosed = server.takeKept();
        Body mine = new Body();
        CompletableFuture<HttpResponse<byte[]>> exchange;
        synchronized (this) {
            if (canceled) {
                return;
            }
            body = mine;
            exchange = send(mine);
            sent = exchange;
        }
        // A copy has the time limit, since what is complete can no longer be cancelled. The request's own ends with the head.
        exchange.thenApply(answer -> answer)
                .orTimeout(patience - (System.nanoTime() - started), TimeUnit.NANOSECONDS)
                .whenComplete((answer, error) -> over(mine, maybeClosed, answer, error));
    }

    private CompletableFuture<HttpResponse<byte[]>> send(Body mine) {
        try {
            return http.sendAsync(request, mine);
        } catch (RuntimeException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private void over(Body mine, boolean maybeClosed, HttpResponse<byte[]> answer, Throwable error) {
        if (error == null) {
            server.keep();
            then.accept(new Answer(server, answer.statusCode(), answer.headers(), answer.body()), null);
            return;
        }
        Throwable cause = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
        if (maybeClosed && !mine.begun() && wasClosed(cause)) {
            start();
            return;
        }
        synchronized (this) {
            if (canceled) {
                return;
            }
        }
        cancel();
        then.accept(null, Failure.noAnswer(server, message(cause)));
    }

    /** Ends it; {@code then} is not called any more, except if it is just now. */
    void cancel() {
        CompletableFuture<HttpResponse<byte[]>> exchange;
        Body reading;
        synchronized (this) {
            canceled = true;
            exchange = sent;
            reading = body;
        }
        if (exchange != null) {
            // Ends the exchange since Java 16; before that, the request's time limit and the body do.
            exchange.cancel(true);
            reading.cancel();
        }
    }

    private static boolean wasClosed(Throwable cause) {
        return cause instanceof IOException
                && !(cause instanceof ConnectException || cause instanceof HttpTimeoutException || cause instanceof SSLException);
    }

    private static String message(Throwable cause) {
        if (cause instanceof HttpTimeoutException || cause instanceof TimeoutException || cause instanceof CancellationException) {
            return "no answer in time";
        }
        for (Throwable deeper = cause; deeper != null; deeper = deeper.getCause()) {
            if (deeper instanceof UnresolvedAddressException) {
                return "no such host";
            }
            if (deeper instanceof EOFException) {
                return "the connection was closed";
            }
        }
        if (cause.getMessage() != null) {
            return cause.getMessage();
        }
        return cause instanceof ConnectException ? "no connection" : cause.toString();
    }
}
