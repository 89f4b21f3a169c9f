package io.github.idalloc.shardingsphere;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.idalloc.TestServer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import javax.sql.DataSource;
import org.apache.shardingsphere.driver.api.yaml.YamlShardingSphereDataSourceFactory;
import org.junit.jupiter.api.Test;

/** With the real ShardingSphere: a table of two shards in H2. */
class IdAllocKeyGenerateAlgorithmTest {
    private static DataSource source(TestServer server, String tag) throws SQLException, IOException {
        String yaml = String.join("\n",
                "databaseName: shop",
                "dataSources:",
                "  ds:",
                "    dataSourceClassName: com.zaxxer.hikari.HikariDataSource",
                "    driverClassName: org.h2.Driver",
                "    jdbcUrl: jdbc:h2:mem:" + UUID.randomUUID() + ";DB_CLOSE_DELAY=-1;MODE=MySQL",
                "    username: sa",
                "    password: ''",
                "rules:",
                "- !SHARDING",
                "  tables:",
                "    purchase:",
                "      actualDataNodes: ds.purchase_${0..1}",
                "      tableStrategy:",
                "        standard: {shardingColumn: id, shardingAlgorithmName: by_id}",
                "      keyGenerateStrategy: {column: id, keyGeneratorName: ids}",
                "  shardingAlgorithms:",
                "    by_id: {type: INLINE, props: {algorithm-expression: 'purchase_${ID % 2}'}}",
                "  keyGenerators:",
                "    ids:",
                "      type: ID_ALLOC",
                "      props:",
                "        servers: " + server.address(),
                tag == null ? "" : "        tag: " + tag);
        DataSource source = YamlShardingSphereDataSourceFactory.createDataSource(yaml.getBytes(StandardCharsets.UTF_8));
        try (Connection connection = source.getConnection(); Statement statement = connection.createStatement()) {
            statement.execute("create table purchase (id bigint primary key, what varchar(20))");
        }
        return source;
    }

    private static List<Long> inserted(Statement statement, String into) throws SQLException {
        statement.executeUpdate("insert into " + into, Statement.RETURN_GENERATED_KEYS);
        List<Long> keys = new ArrayList<>();
        try (ResultSet rows = statement.getGeneratedKeys()) {
            while (rows.next()) {
                keys.add(rows.getLong(1));
            }
        }
        return keys;
    }

    @Test
    void rowsOfBothShardsGetTheirKeysFromTheServer() throws Exception {
        try (TestServer server = new TestServer();
                AutoCloseable source = (AutoCloseable) source(server, null);
                Connection connection = ((DataSource) source).getConnection();
                Statement statement = connection.createStatement()) {
            assertEquals(List.of(1L), inserted(statement, "purchase (what) values ('tea')"));
            // However the statement spells the table, it is one tag.
            assertEquals(List.of(2L, 3L), inserted(statement, "PURCHASE (what) values ('cake'), ('jam')"));
            List<String> rows = new ArrayList<>();
            try (ResultSet result = statement.executeQuery("select id, what from purchase order by id")) {
                while (result.next()) {
                    rows.add(result.getLong(1) + " " + result.getString(2));
                }
            }
            assertEquals(List.of("1 tea", "2 cake", "3 jam"), rows);
            assertTrue(server.requests.stream().allMatch(request -> request.contains("biz_tag=purchase")), server.requests::toString);
        }
    }

    @Test
    void whatTheServerSaysReachesTheCaller() throws Exception {
        try (TestServer server = new TestServer();
                AutoCloseable source = (AutoCloseable) source(server, "nope");
                Connection connection = ((DataSource) source).getConnection();
                Statement statement = connection.createStatement()) {
            Throwable error = assertThrows(Exception.class, () -> inserted(statement, "purchase (what) values ('tea')"));
            while (error.getCause() != null) {
                error = error.getCause();
            }
            assertTrue(error.getMessage().contains("unknown biz_tag"), error::toString);
        }
    }

    @Test
    void generatorsWithTheSameSettingsShareTheirIds() {
        try (TestServer server = new TestServer()) {
            for (long id = 1; id <= 3; id++) {
                IdAllocKeyGenerateAlgorithm generator = new IdAllocKeyGenerateAlgorithm();
                generator.init(properties("servers", " " + server.address() + ", http://127.0.0.1:1", "tag", "shared",
                        "range-duration", "1m", "deadline", "PT9S", "max-range", "1000"));
                assertEquals(List.of(id), generator.generateKeys(null, 1));
            }
        }
    }

    @Test
    void settingsThatCannotBeMeantAreRefused() {
        for (String[] wrong : new String[][] {
            {"no servers", "tag", "order"},
            {"server-list", "server-list", "http://127.0.0.1:1"},
            {"write it as 10s", "servers", "http://127.0.0.1:1", "deadline", "soon"},
            {"maxRange", "servers", "http://127.0.0.1:1", "max-range", "0"},
        }) {
            IdAllocKeyGenerateAlgorithm generator = new IdAllocKeyGenerateAlgorithm();
            Properties properties = properties(Arrays.copyOfRange(wrong, 1, wrong.length));
            String message = assertThrows(IllegalArgumentException.class, () -> generator.init(properties)).getMessage();
            assertTrue(message.contains(wrong[0]), message);
        }
    }

    private static Properties properties(String... pairs) {
        Properties properties = new Properties();
        for (int i = 0; i < pairs.length; i += 2) {
            properties.setProperty(pairs[i], pairs[i + 1]);
        }
        return properties;
    }
}
