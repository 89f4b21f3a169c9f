package io.github.idalloc;

/** Why an attempt brought no ids. */
final class Failure {
    /** What a refusal means for those who wait. */
    enum Kind {
        /** Another attempt may help. */
        PASSING,
        /** The server has not as many ids just now: the next attempt asks for less. */
        NO_IDS,
        /** The server permits fewer ids at once. */
        TOO_MANY,
        UNKNOWN_TAG,
        EXHAUSTED,
        UNAUTHORIZED,
        /** Refused for good, for a reason that has no class of its own. */
        REFUSED
    }

    final Kind kind;
    final String server;
    /** 0 where no whole answer came. */
    final int status;
    final String code;
    final String message;
    final long retryAfterSeconds;

    Failure(Kind kind, String server, int status, String code, String message, long retryAfterSeconds) {
        this.kind = kind;
        this.server = server;
        this.status = status;
        this.code = code;
        this.message = message;
        this.retryAfterSeconds = retryAfterSeconds;
    }

    static Failure noAnswer(Server server, String message) {
        return new Failure(Kind.PASSING, server.name, 0, "", message, 0);
    }

    static Failure badAnswer(Server server, String message) {
        return new Failure(Kind.PASSING, server.name, 200, "", message, 0);
    }

    /** Whether no other attempt would help. */
    boolean isFinal() {
        return kind != Kind.PASSING && kind != Kind.NO_IDS;
    }

    /** What those who wait are told of a final failure. */
    IdAllocException exception(String tag) {
        switch (kind) {
            case UNKNOWN_TAG:
                return new IdAllocException.UnknownTag(tag, this);
            case EXHAUSTED:
                return new IdAllocException.Exhausted(tag, this);
            case UNAUTHORIZED:
                return new IdAllocException.Unauthorized(tag, this);
            default:
                return new IdAllocException(tag, "", this);
        }
    }

    @Override
    public String toString() {
        if (status == 0) {
            return server + ": " + message;
        }
        return server + " answered " + status + (code.isEmpty() ? "" : " " + code) + ": " + message;
    }
}
