package io.github.idalloc;

import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** A whole answer of a server: the first id of the range, or why it is none. */
final class Answer {
    private static final int QUOTED = 200;

    private final Server server;
    private final int status;
    private final HttpHeaders headers;
    private final String body;

    Answer(Server server, int status, HttpHeaders headers, byte[] body) {
        this.server = server;
        this.status = status;
        this.headers = headers;
        this.body = new String(body, StandardCharsets.UTF_8);
    }

    /** What is wrong with it, or null: then {@link #first} may be used. */
    Failure failure(long count) {
        if (status != 200) {
            return refusal();
        }
        if (headers.firstValue("Age").isPresent()) {
            return Failure.badAnswer(server,
                    "an answer from a cache (it has an Age header), which somebody else may have been given too");
        }
        Map<?, ?> object = object();
        if (integer(object.get("count")) < 0 || first() < 0 || !isZero(object.get("errno"))) {
            return Failure.badAnswer(server, "no answer with ids: " + beginning());
        }
        if (integer(object.get("count")) != count) {
            return Failure.badAnswer(server, integer(object.get("count")) + " ids, where " + count + " were asked for");
        }
        if (first() > Long.MAX_VALUE - count + 1) {
            return Failure.badAnswer(server, count + " ids from " + first() + " on, which is past 64 bits");
        }
        return null;
    }

    long first() {
        return integer(object().get("first"));
    }

    private Failure refusal() {
        Map<?, ?> object = object();
        Object said = object.get("msg");
        String message = said instanceof String && !((String) said).isEmpty() ? (String) said : beginning();
        String code = object.get("code") instanceof String ? (String) object.get("code") : "";
        String retryAfter = headers.firstValue("Retry-After").orElse("").trim();
        long seconds = retryAfter.matches("[0-9]{1,9}") ? Long.parseLong(retryAfter) : 0;
        return new Failure(kind(code), server.name, status, code, message, seconds);
    }

    private Failure.Kind kind(String code) {
        if (status == 404 && code.equals("unknown_tag")) {
            return Failure.Kind.UNKNOWN_TAG;
        } else if (code.equals("tag_exhausted")) {
            return Failure.Kind.EXHAUSTED;
        } else if (status == 401 || status == 403) {
            return Failure.Kind.UNAUTHORIZED;
        } else if (status == 400 || status == 413 || status == 414 || status == 431) {
            return code.equals("invalid_count") ? Failure.Kind.TOO_MANY : Failure.Kind.REFUSED;
        }
        return code.equals("no_available_id") ? Failure.Kind.NO_IDS : Failure.Kind.PASSING;
    }

    /** The body as an object; an empty one where it is something else. */
    private Map<?, ?> object() {
        try {
            Object value = Json.parse(body);
            return value instanceof Map ? (Map<?, ?>) value : Map.of();
        } catch (Json.Malformed e) {
            return Map.of();
        }
    }

    private static boolean isZero(Object errno) {
        return errno instanceof Json.Digits && ((Json.Digits) errno).text.equals("0");
    }

    /** Digits, as a number or as text; −1 for anything else, and for what has more than 64 bits. */
    private static long integer(Object value) {
        String text = value instanceof Json.Digits ? ((Json.Digits) value).text : value instanceof String ? (String) value : "";
        if (text.isEmpty() || !text.chars().allMatch(c -> c >= '0' && c <= '9')) {
            return -1;
        }
        try {
            return Long.parseLong(text);
        } catch (NumberFormatException e) {
            return -1;
        }
    }

    /** As much of the body as fits into a message. */
    private String beginning() {
        String text = body.substring(0, Math.min(body.length(), 4 * QUOTED)).replaceAll("\\s+", " ").trim();
        if (text.isEmpty()) {
            return "an empty body";
        }
        if (text.codePointCount(0, text.length()) <= QUOTED) {
            return text;
        }
        return text.substring(0, text.offsetByCodePoints(0, QUOTED)) + "…";
    }
}
