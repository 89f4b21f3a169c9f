package io.github.idalloc;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.concurrent.atomic.AtomicInteger;

/** One address, and what all tags of a client know of it. */
final class Server {
    /** The address as it was given, for messages. */
    final String name;
    private final String range;

    /** About how many kept connections there are: so many requests may find theirs closed. */
    private final AtomicInteger kept = new AtomicInteger();

    /** It did not answer at all lately, so it is tried last until then, or until it answers. */
    private boolean suspect;
    private long suspectUntil;

    Server(String address) {
        URI uri;
        try {
            uri = new URI(address);
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException("server address \"" + address + "\": " + e.getMessage(), e);
        }
        boolean http = "http".equalsIgnoreCase(uri.getScheme()) || "https".equalsIgnoreCase(uri.getScheme());
        if (!http || uri.getHost() == null || uri.getUserInfo() != null || uri.getQuery() != null || uri.getFragment() != null) {
            throw new IllegalArgumentException(
                    "server address \"" + address + "\": want http://HOST:PORT or https://HOST:PORT, perhaps with a path");
        }
        name = address.replaceAll("/+$", "");
        range = uri.toASCIIString().replaceAll("/+$", "") + "/range";
    }

    /** Where ranges are asked for; the query is encoded already. */
    URI range(String query) {
        return URI.create(range + "?" + query);
    }

    /** A request begins; true if it may go over a kept connection, which the server may have closed. */
    boolean takeKept() {
        return kept.getAndUpdate(count -> Math.max(0, count - 1)) > 0;
    }

    void keep() {
        kept.incrementAndGet();
    }

    synchronized boolean isSuspect(long now) {
        return suspect && suspectUntil - now > 0;
    }

    synchronized void suspectUntil(long until) {
        suspect = true;
        suspectUntil = until;
    }

    synchronized void answered() {
        suspect = false;
    }
}
