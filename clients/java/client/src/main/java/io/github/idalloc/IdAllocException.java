package io.github.idalloc;

/**
 * The base of all errors of a client (what the other languages call {@code IdAllocError}), and itself for what has no class of
 * its own: a closed client, an interrupted wait, a tag with a name that no tag may have. The message says what the server said.
 */
public class IdAllocException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** The tag whose ids were wanted. */
    private final String tag;
    /** The server that refused; null where no single answer was the reason. */
    private final String server;
    /** The HTTP status of the refusal, or 0. */
    private final int status;
    /** The server's code for the refusal, perhaps empty, or null. */
    private final String code;

    IdAllocException(String tag, String message, Throwable cause) {
        super("tag \"" + tag + "\": " + message, cause);
        this.tag = tag;
        this.server = null;
        this.status = 0;
        this.code = null;
    }

    IdAllocException(String tag, String message) {
        this(tag, message, (Throwable) null);
    }

    IdAllocException(String tag, String kind, Failure refusal) {
        super("tag \"" + tag + "\": " + kind + refusal);
        this.tag = tag;
        this.server = refusal.server;
        this.status = refusal.status;
        this.code = refusal.code;
    }

    /**
     * The tag whose ids were wanted.
     *
     * @return its name
     */
    public String tag() {
        return tag;
    }

    /**
     * The server that refused.
     *
     * @return its address; null where no single answer was the reason
     */
    public String server() {
        return server;
    }

    /**
     * The HTTP status of the refusal.
     *
     * @return the status; 0 where no single answer was the reason
     */
    public int status() {
        return status;
    }

    /**
     * The server's code for the refusal, such as {@code unknown_tag}.
     *
     * @return the code, perhaps empty; null where no single answer was the reason
     */
    public String code() {
        return code;
    }

    /** The tag does not exist: create it ({@code id-alloc tag create}). */
    public static final class UnknownTag extends IdAllocException {
        private static final long serialVersionUID = 1L;

        UnknownTag(String tag, Failure refusal) {
            super(tag, "unknown tag: ", refusal);
        }
    }

    /** No ids are left below the server's {@code allocation.id_limit}. */
    public static final class Exhausted extends IdAllocException {
        private static final long serialVersionUID = 1L;

        Exhausted(String tag, Failure refusal) {
            super(tag, "exhausted: ", refusal);
        }
    }

    /** The token is missing, wrong, or good for other tags only. */
    public static final class Unauthorized extends IdAllocException {
        private static final long serialVersionUID = 1L;

        Unauthorized(String tag, Failure refusal) {
            super(tag, "unauthorized: ", refusal);
        }
    }

    /** No ids came within the deadline; a later call may succeed. */
    public static final class Unavailable extends IdAllocException {
        private static final long serialVersionUID = 1L;

        Unavailable(String tag, String message) {
            super(tag, "unavailable: " + message);
        }
    }
}
