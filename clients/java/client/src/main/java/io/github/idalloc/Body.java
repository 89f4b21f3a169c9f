package io.github.idalloc;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;

/** Collects the body of one answer, up to a limit; one with ids has about 60 bytes. */
final class Body implements HttpResponse.BodyHandler<byte[]>, HttpResponse.BodySubscriber<byte[]> {
    private static final int LIMIT = 64 * 1024;

    private final CompletableFuture<byte[]> whole = new CompletableFuture<>();
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private Flow.Subscription subscription;
    private boolean begun;
    private boolean canceled;

    /** Whether the head of an answer has come. */
    synchronized boolean begun() {
        return begun;
    }

    /** Wants no more, which closes the connection unless all has come. */
    synchronized void cancel() {
        canceled = true;
        if (subscription != null) {
            subscription.cancel();
        }
    }

    @Override
    public synchronized HttpResponse.BodySubscriber<byte[]> apply(HttpResponse.ResponseInfo head) {
        begun = true;
        return this;
    }

    @Override
    public CompletionStage<byte[]> getBody() {
        return whole;
    }

    @Override
    public synchronized void onSubscribe(Flow.Subscription given) {
        subscription = given;
        if (canceled) {
            given.cancel();
        } else {
            given.request(Long.MAX_VALUE);
        }
    }

    @Override
    public synchronized void onNext(List<ByteBuffer> pieces) {
        for (ByteBuffer piece : pieces) {
            if (bytes.size() + piece.remaining() > LIMIT) {
                subscription.cancel();
                whole.completeExceptionally(new IOException("the answer does not end"));
                return;
            }
            byte[] copy = new byte[piece.remaining()];
            piece.get(copy);
            bytes.write(copy, 0, copy.length);
        }
    }

    @Override
    public void onError(Throwable error) {
        whole.completeExceptionally(new IOException("the answer broke off: " + error.getMessage(), error));
    }

    @Override
    public synchronized void onComplete() {
        whole.complete(bytes.toByteArray());
    }
}
