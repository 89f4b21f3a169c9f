package io.github.idalloc;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads JSON (RFC 8259) as it is, without leniency: an object becomes a {@code Map}, an array a {@code List}, text a
 * {@code String}, a number a {@link Digits}, which keeps it as it was written.
 */
final class Json {
    /** Arrays and objects within each other. */
    private static final int MAX_DEPTH = 64;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** A number as it was written. */
    static final class Digits {
        final String text;

        Digits(String text) {
            this.text = text;
        }
    }

    /** Thrown for what is not JSON; the text says where. */
    static final class Malformed extends Exception {
        private static final long serialVersionUID = 1L;

        Malformed(int at) {
            super("not JSON at character " + at);
        }
    }

    static Object parse(String text) throws Malformed {
        Json json = new Json(text);
        Object value = json.value(0);
        json.space();
        if (json.at < text.length()) {
            throw new Malformed(json.at);
        }
        return value;
    }

    private Object value(int depth) throws Malformed {
        space();
        if (depth > MAX_DEPTH) {
            throw new Malformed(at);
        }
        switch (peek()) {
            case '{':
                return object(depth);
            case '[':
                return array(depth);
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Map<String, Object> object(int depth) throws Malformed {
        Map<String, Object> object = new LinkedHashMap<>();
        at++;
        space();
        if (accept('}')) {
            return object;
        }
        do {
            space();
            if (peek() != '"') {
                throw new Malformed(at);
            }
            String key = string();
            space();
            expect(':');
            object.put(key, value(depth + 1));
            space();
        } while (accept(','));
        expect('}');
        return object;
    }

    private List<Object> array(int depth) throws Malformed {
        List<Object> array = new ArrayList<>();
        at++;
        space();
        if (accept(']')) {
            return array;
        }
        do {
            array.add(value(depth + 1));
            space();
        } while (accept(','));
        expect(']');
        return array;
    }

    private String string() throws Malformed {
        StringBuilder string = new StringBuilder();
        at++;
        while (true) {
            char c = peek();
            at++;
            if (c == '"') {
                return string.toString();
            } else if (c < ' ') {
                throw new Malformed(at - 1);
            } else if (c == '\\') {
                string.append(escaped());
            } else {
                string.append(c);
            }
        }
    }

    private char escaped() throws Malformed {
        char c = peek();
        at++;
        int which = "\"\\/bfnrt".indexOf(c);
        if (which >= 0) {
            return "\"\\/\b\f\n\r\t".charAt(which);
        }
        if (c != 'u') {
            throw new Malformed(at - 1);
        }
        int code = 0;
        for (int i = 0; i < 4; i++) {
            int digit = "0123456789abcdef".indexOf(Character.toLowerCase(peek()));
            if (digit < 0) {
                throw new Malformed(at);
            }
            code = code * 16 + digit;
            at++;
        }
        return (char) code;
    }

    private Digits number() throws Malformed {
        int start = at;
        accept('-');
        if (!accept('0')) {
            digits();
        }
        if (accept('.')) {
            digits();
        }
        if (accept('e') || accept('E')) {
            if (!accept('+')) {
                accept('-');
            }
            digits();
        }
        return new Digits(text.substring(start, at));
    }

    private void digits() throws Malformed {
        int start = at;
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
            at++;
        }
        if (at == start) {
            throw new Malformed(at);
        }
    }

    private Object word(String word, Object value) throws Malformed {
        if (!text.startsWith(word, at)) {
            throw new Malformed(at);
        }
        at += word.length();
        return value;
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private char peek() throws Malformed {
        if (at >= text.length()) {
            throw new Malformed(at);
        }
        return text.charAt(at);
    }

    private boolean accept(char c) {
        if (at < text.length() && text.charAt(at) == c) {
            at++;
            return true;
        }
        return false;
    }

    private void expect(char c) throws Malformed {
        if (!accept(c)) {
            throw new Malformed(at);
        }
    }
}
