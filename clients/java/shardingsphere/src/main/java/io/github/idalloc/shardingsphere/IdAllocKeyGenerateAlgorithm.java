package io.github.idalloc.shardingsphere;

import io.github.idalloc.IdAllocClient;
import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.shardingsphere.infra.algorithm.core.context.AlgorithmSQLContext;
import org.apache.shardingsphere.infra.algorithm.keygen.core.KeyGenerateAlgorithm;

/**
 * The key generator {@code ID_ALLOC}.
 *
 * <pre>{@code
 * keyGenerators:
 *   ids:
 *     type: ID_ALLOC
 *     props:
 *       servers: http://10.0.0.1:8880,http://10.0.0.2:8880
 * }</pre>
 *
 * <p>The tag is the logical table's name in lower case, unless {@code tag} is set. Other properties are the client's options: {@code token},
 * {@code range-duration} and {@code deadline} (such as {@code 10s} or {@code PT10S}), {@code max-range}.
 *
 * <p>ShardingSphere makes generators anew whenever its rules change, and never closes one. So those with the same settings share
 * one client, which lasts as long as the process.
 */
public final class IdAllocKeyGenerateAlgorithm implements KeyGenerateAlgorithm {
    private static final Set<String> KNOWN = Set.of("servers", "tag", "token", "range-duration", "deadline", "max-range");
    private static final Map<Map<String, String>, IdAllocClient> CLIENTS = new ConcurrentHashMap<>();

    private IdAllocClient client;
    /** Null: each table has its own. */
    private String tag;

    /** Called by ShardingSphere. */
    public IdAllocKeyGenerateAlgorithm() {
    }

    @Override
    public void init(Properties properties) {
        Map<String, String> settings = new TreeMap<>();
        properties.forEach((name, value) -> settings.put(name.toString(), value.toString().trim()));
        for (String name : settings.keySet()) {
            if (!KNOWN.contains(name)) {
                throw new IllegalArgumentException("the key generator ID_ALLOC has no property " + name + "; it has "
                        + String.join(", ", new TreeSet<>(KNOWN)));
            }
        }
        tag = settings.remove("tag");
        client = CLIENTS.computeIfAbsent(settings, IdAllocKeyGenerateAlgorithm::client);
    }

    private static IdAllocClient client(Map<String, String> settings) {
        IdAllocClient.Builder builder = IdAllocClient.builder();
        for (String server : settings.getOrDefault("servers", "").split(",")) {
            if (!server.isBlank()) {
                builder.server(server.trim());
            }
        }
        builder.token(settings.get("token"));
        if (settings.containsKey("range-duration")) {
            builder.rangeDuration(duration("range-duration", settings.get("range-duration")));
        }
        if (settings.containsKey("deadline")) {
            builder.deadline(duration("deadline", settings.get("deadline")));
        }
        if (settings.containsKey("max-range")) {
            builder.maxRange(Long.parseLong(settings.get("max-range")));
        }
        return builder.build();
    }

    private static Duration duration(String name, String text) {
        try {
            return Duration.parse(text.toUpperCase(Locale.ROOT).startsWith("P") ? text : "PT" + text);
        } catch (DateTimeParseException e) {
            throw new IllegalArgumentException("the property " + name + " of the key generator ID_ALLOC is " + text
                    + "; write it as 10s, 5m or PT10S", e);
        }
    }

    @Override
    public Collection<Long> generateKeys(AlgorithmSQLContext context, int keyGenerateCount) {
        long[] ids = client.tag(tag == null ? table(context) : tag).nextMany(keyGenerateCount);
        List<Long> keys = new ArrayList<>(ids.length);
        for (long id : ids) {
            keys.add(id);
        }
        return keys;
    }

    /** The context has it as the statement spells it: two spellings must not be two tags, whose ids would collide. */
    private static String table(AlgorithmSQLContext context) {
        return context.getTableName().toLowerCase(Locale.ROOT);
    }

    @Override
    public boolean isSupportAutoIncrement() {
        return true; // Statement.getGeneratedKeys gives the ids
    }

    @Override
    public String getType() {
        return "ID_ALLOC";
    }
}
