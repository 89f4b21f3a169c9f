package io.github.idalloc;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.NotSerializableException;
import java.io.ObjectOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/** The adapter of the conformance suite (../../conformance/README.md), which tells how it is run. */
final class Adapter {
    private final Map<String, IdAllocClient> clients = new ConcurrentHashMap<>();
    private final Map<String, AtomicLong> clocks = new ConcurrentHashMap<>();
    private final PrintStream output = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    private final ExecutorService threads = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task);
        thread.setDaemon(true);
        return thread;
    });

    public static void main(String[] arguments) throws Exception {
        new Adapter().run();
    }

    private void run() throws IOException, Json.Malformed {
        warmUp();
        say("{\"hello\": {\"can\": [\"manual_clock\", \"count_waits\", \"pickle\"]}}");
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Command command = new Command(line);
            if (command.text("do").equals("open")) {
                answer(command);
            } else {
                threads.execute(() -> answer(command));
            }
        }
    }

    /** Loads the classes, which takes a new Java longer than the scenarios' shortest deadlines. */
    private static void warmUp() {
        try (TestServer server = new TestServer();
                IdAllocClient client = IdAllocClient.builder().server(server.address()).maxRange(1).build()) {
            draw(client.tag("warm"), 20).reply(true);
            draw(client.tag("nope"), 1).reply(true);
        }
    }

    private synchronized void say(String line) {
        output.println(line);
        output.flush();
    }

    private void answer(Command command) {
        String reply;
        try {
            reply = perform(command);
        } catch (Exception | Error e) {
            e.printStackTrace();
            reply = "\"failed\": " + quoted(e.toString());
        }
        say("{\"id\": " + command.number("id", 0) + (reply.isEmpty() ? "" : ", " + reply) + "}");
    }

    private String perform(Command command) throws Exception {
        IdAllocClient client = clients.get(command.text("client"));
        String tag = command.has("tag") ? command.text("tag") : "";
        int times = (int) command.number("times", 0);
        switch (command.text("do")) {
            case "open":
                open(command);
                return "";
            case "next":
                return draw(client.tag(tag), times).reply(command.has("count_waits"));
            case "next_many":
                return drawMany(client.tag(tag), (int) command.number("n", 0)).reply(false);
            case "threads":
                return byThread(client, tag, (int) command.number("threads", 0), times);
            case "elsewhere":
                return pickle(client.tag(tag));
            case "clock":
                clocks.get(command.text("client")).addAndGet(Duration.ofMillis(command.number("advance_ms", 0)).toNanos());
                return "";
            case "close":
                client.close();
                return "";
            default:
                throw new IllegalArgumentException("no such command: " + command.text("do"));
        }
    }

    private void open(Command command) {
        IdAllocClient.Builder builder = IdAllocClient.builder().servers(command.texts("servers"));
        if (command.has("token")) {
            builder.token(command.text("token"));
        }
        if (command.has("range_duration_ms")) {
            builder.rangeDuration(Duration.ofMillis(command.number("range_duration_ms", 0)));
        }
        if (command.has("max_range")) {
            builder.maxRange(command.number("max_range", 0));
        }
        if (command.has("deadline_ms")) {
            builder.deadline(Duration.ofMillis(command.number("deadline_ms", 0)));
        }
        LongSupplier clock = System::nanoTime;
        if (command.has("manual_clock")) {
            AtomicLong manual = new AtomicLong();
            clocks.put(command.text("client"), manual);
            clock = manual::get;
        }
        clients.put(command.text("client"), builder.build(clock));
    }

    /** Java's way to copy an object: it is refused. */
    private static String pickle(Tag tag) throws IOException {
        try (ObjectOutputStream stream = new ObjectOutputStream(OutputStream.nullOutputStream())) {
            stream.writeObject(tag);
        } catch (NotSerializableException e) {
            return "\"refused\": " + quoted(e.toString());
        }
        throw new AssertionError("a tag was serialized");
    }

    private String byThread(IdAllocClient client, String tag, int count, int times) throws Exception {
        List<Callable<Draw>> tasks = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            tasks.add(() -> draw(client.tag(tag), times));
        }
        List<String> runs = new ArrayList<>();
        for (Future<Draw> done : threads.invokeAll(tasks)) {
            if (done.get().error != null) {
                return "\"by_thread\": [], " + done.get().error();
            }
            runs.add(done.get().runs());
        }
        return "\"by_thread\": [" + String.join(", ", runs) + "]";
    }

    private static Draw draw(Tag tag, int times) {
        Draw draw = new Draw();
        try {
            for (int i = 0; i < times; i++) {
                draw.waited += tag.isDry() ? 1 : 0;
                draw.ids.add(tag.next());
            }
        } catch (RuntimeException e) {
            draw.error = e;
        }
        return draw;
    }

    private static Draw drawMany(Tag tag, int n) {
        Draw draw = new Draw();
        try {
            for (long id : tag.nextMany(n)) {
                draw.ids.add(id);
            }
        } catch (RuntimeException e) {
            draw.error = e;
        }
        return draw;
    }

    /** What one caller got. */
    private static final class Draw {
        final List<Long> ids = new ArrayList<>();
        int waited;
        RuntimeException error;

        String reply(boolean countWaits) {
            return "\"runs\": " + runs() + (countWaits ? ", \"waited\": " + waited : "") + (error == null ? "" : ", " + error());
        }

        String runs() {
            List<String> runs = new ArrayList<>();
            for (int at = 0; at < ids.size();) {
                int end = at + 1;
                while (end < ids.size() && ids.get(end) == ids.get(end - 1) + 1) {
                    end++;
                }
                runs.add("[\"" + ids.get(at) + "\", " + (end - at) + "]");
                at = end;
            }
            return "[" + String.join(", ", runs) + "]";
        }

        String error() {
            String type = error.getClass() == IdAllocException.class ? "IdAllocError" : error.getClass().getSimpleName();
            return "\"error\": {\"type\": " + quoted(type) + ", \"message\": " + quoted(String.valueOf(error.getMessage())) + "}";
        }
    }

    private static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                quoted.append('\\').append(c);
            } else if (c < ' ' || Character.isSurrogate(c)) {
                quoted.append(String.format("\\u%04x", (int) c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }

    /** One line of input. */
    private static final class Command {
        private final Map<?, ?> fields;

        Command(String line) throws Json.Malformed {
            fields = (Map<?, ?>) Json.parse(line);
        }

        boolean has(String field) {
            Object value = fields.get(field);
            return value != null && !Boolean.FALSE.equals(value);
        }

        String text(String field) {
            return (String) fields.get(field);
        }

        List<String> texts(String field) {
            List<String> texts = new ArrayList<>();
            for (Object text : (List<?>) fields.get(field)) {
                texts.add((String) text);
            }
            return texts;
        }

        long number(String field, long otherwise) {
            return has(field) ? Long.parseLong(((Json.Digits) fields.get(field)).text) : otherwise;
        }
    }
}
