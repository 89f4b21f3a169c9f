package io.github.idalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {
    @Test
    void readsWhatJsonHas() throws Json.Malformed {
        Map<?, ?> object = (Map<?, ?>) Json.parse(" {\"a\" : [true,false , null,{}, []],\n\"b\":\"x\\\"\\u00e9\\ud83e\\udd80\\n\" } ");
        List<?> list = (List<?>) object.get("a");
        assertEquals(Boolean.TRUE, list.get(0));
        assertEquals(Boolean.FALSE, list.get(1));
        assertEquals(null, list.get(2));
        assertEquals(Map.of(), list.get(3));
        assertEquals(List.of(), list.get(4));
        assertEquals("x\"é🦀\n", object.get("b"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-0", "9223372036854775807", "99999999999999999999", "1.5", "1e9", "-1.25E-3", "0.1e+2"})
    void keepsNumbersAsTheyWereWritten(String number) throws Json.Malformed {
        assertEquals(number, ((Json.Digits) Json.parse(number)).text);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "{", "[", "{]", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "{1:2}", "01", "+1", ".5", "1.", "1e", "-",
        "\"", "\"\\x\"", "\"\\u12g4\"", "\"\n\"", "tru", "nul", "1 2", "{}{}", "[]]", "NaN", "'a'"})
    void refusesWhatIsNone(String text) {
        assertThrows(Json.Malformed.class, () -> Json.parse(text));
    }

    @Test
    void refusesWhatIsNestedWithoutEnd() {
        assertThrows(Json.Malformed.class, () -> Json.parse("[".repeat(100_000)));
    }
}
