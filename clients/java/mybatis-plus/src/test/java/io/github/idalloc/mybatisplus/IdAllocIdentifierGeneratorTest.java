package io.github.idalloc.mybatisplus;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.baomidou.mybatisplus.annotation.IdType;
import com.baomidou.mybatisplus.annotation.TableId;
import com.baomidou.mybatisplus.annotation.TableName;
import com.baomidou.mybatisplus.core.MybatisConfiguration;
import com.baomidou.mybatisplus.core.MybatisSqlSessionFactoryBuilder;
import com.baomidou.mybatisplus.core.config.GlobalConfig;
import com.baomidou.mybatisplus.core.incrementer.IdentifierGenerator;
import com.baomidou.mybatisplus.core.mapper.BaseMapper;
import com.baomidou.mybatisplus.core.toolkit.GlobalConfigUtils;
import io.github.idalloc.IdAllocClient;
import io.github.idalloc.IdAllocException;
import io.github.idalloc.TestServer;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import org.apache.ibatis.datasource.unpooled.UnpooledDataSource;
import org.apache.ibatis.mapping.Environment;
import org.apache.ibatis.session.SqlSession;
import org.apache.ibatis.session.SqlSessionFactory;
import org.apache.ibatis.transaction.jdbc.JdbcTransactionFactory;
import org.junit.jupiter.api.Test;

/** With the real MyBatis-Plus, on H2. */
class IdAllocIdentifierGeneratorTest {
    /** MyBatis-Plus writes its id. */
    @TableName("purchase")
    static class Purchase {
        @TableId(type = IdType.ASSIGN_ID)
        private Long id;
        private String what;

        Purchase() {
        }

        Purchase(Long id, String what) {
            this.id = id;
            this.what = what;
        }
    }

    /** Its key is text. */
    @TableName("nope")
    static class Orphan {
        @TableId(type = IdType.ASSIGN_ID)
        private String id;
        private String what;
    }

    interface Purchases extends BaseMapper<Purchase> {
    }

    interface Orphans extends BaseMapper<Orphan> {
    }

    private static SqlSession session(IdentifierGenerator generator) throws SQLException {
        UnpooledDataSource source = new UnpooledDataSource("org.h2.Driver", "jdbc:h2:mem:", null);
        MybatisConfiguration configuration = new MybatisConfiguration(new Environment("test", new JdbcTransactionFactory(), source));
        GlobalConfigUtils.setGlobalConfig(configuration, new GlobalConfig()
                .setDbConfig(new GlobalConfig.DbConfig()).setBanner(false).setIdentifierGenerator(generator));
        configuration.addMapper(Purchases.class);
        configuration.addMapper(Orphans.class);
        SqlSessionFactory factory = new MybatisSqlSessionFactoryBuilder().build(configuration);
        SqlSession session = factory.openSession();
        Connection connection = session.getConnection(); // the in-memory database is this connection's own
        try (Statement statement = connection.createStatement()) {
            statement.execute("create table purchase (id bigint primary key, what varchar(20))");
            statement.execute("create table nope (id varchar(20) primary key, what varchar(20))");
        }
        return session;
    }

    @Test
    void entitiesGetTheirIdsFromTheTagOfTheirTable() throws SQLException {
        try (TestServer server = new TestServer();
                IdAllocClient client = IdAllocClient.builder().server(server.address()).build();
                SqlSession session = session(new IdAllocIdentifierGenerator(client))) {
            Purchases purchases = session.getMapper(Purchases.class);
            for (String what : new String[] {"tea", "cake", "jam"}) {
                Purchase purchase = new Purchase(null, what);
                purchases.insert(purchase);
                assertEquals(what, purchases.selectById(purchase.id).what);
            }
            assertEquals("tea", purchases.selectById(1L).what);
            assertEquals("jam", purchases.selectById(3L).what);
            assertTrue(server.requests.stream().allMatch(request -> request.contains("biz_tag=purchase")), server.requests::toString);
        }
    }

    @Test
    void anIdOfTheCallersOwnIsKept() throws SQLException {
        try (TestServer server = new TestServer();
                IdAllocClient client = IdAllocClient.builder().server(server.address()).build();
                SqlSession session = session(new IdAllocIdentifierGenerator(client))) {
            session.getMapper(Purchases.class).insert(new Purchase(70L, "tea"));
            assertEquals("tea", session.getMapper(Purchases.class).selectById(70L).what);
            assertTrue(server.requests.isEmpty(), server.requests::toString);
        }
    }

    @Test
    void tagsMayBeTheCallersOwnAndKeysText() throws SQLException {
        try (TestServer server = new TestServer();
                IdAllocClient client = IdAllocClient.builder().server(server.address()).build();
                SqlSession session = session(new IdAllocIdentifierGenerator(client, entity -> "ids"))) {
            Orphan orphan = new Orphan();
            session.getMapper(Orphans.class).insert(orphan);
            assertEquals("1", orphan.id);
            assertTrue(server.requests.stream().allMatch(request -> request.contains("biz_tag=ids")), server.requests::toString);
        }
    }

    @Test
    void whatTheServerSaysReachesTheCaller() throws SQLException {
        try (TestServer server = new TestServer();
                IdAllocClient client = IdAllocClient.builder().server(server.address()).build();
                SqlSession session = session(new IdAllocIdentifierGenerator(client))) {
            Throwable error = assertThrows(RuntimeException.class, () -> session.getMapper(Orphans.class).insert(new Orphan()));
            while (error.getCause() != null) {
                error = error.getCause();
            }
            assertSame(IdAllocException.UnknownTag.class, error.getClass());
        }
    }

    @Test
    void withoutATableTheWayOutIsNamed() {
        try (IdAllocClient client = IdAllocClient.builder().server("http://127.0.0.1:1").build()) {
            IdAllocIdentifierGenerator generator = new IdAllocIdentifierGenerator(client);
            String message = assertThrows(IllegalArgumentException.class, () -> generator.nextId("no entity")).getMessage();
            assertTrue(message.contains("names the tag"), message);
        }
    }
}
