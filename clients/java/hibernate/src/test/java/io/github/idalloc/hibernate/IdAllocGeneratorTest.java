package io.github.idalloc.hibernate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.idalloc.IdAllocClient;
import io.github.idalloc.IdAllocException;
import io.github.idalloc.TestServer;
import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import java.util.List;
import org.hibernate.SessionFactory;
import org.hibernate.cfg.Configuration;
import org.junit.jupiter.api.Test;

/** With the real Hibernate, on H2. */
class IdAllocGeneratorTest {
    @Entity(name = "Purchase")
    static class Purchase {
        @Id
        @IdAlloc("order")
        Long id;
        String what;

        Purchase() {
        }

        Purchase(String what) {
            this.what = what;
        }
    }

    @Entity(name = "Orphan")
    static class Orphan {
        @Id
        @IdAlloc("nope")
        long id;
    }

    private static SessionFactory factory(Object client) {
        Configuration configuration = new Configuration()
                .addAnnotatedClass(Purchase.class)
                .addAnnotatedClass(Orphan.class)
                .setProperty("hibernate.connection.url", "jdbc:h2:mem:")
                .setProperty("hibernate.hbm2ddl.auto", "create");
        if (client != null) {
            configuration.getProperties().put(IdAllocGenerator.CLIENT, client);
        }
        return configuration.buildSessionFactory();
    }

    @Test
    void entitiesGetTheirIdsFromTheServer() {
        try (TestServer server = new TestServer();
                IdAllocClient client = IdAllocClient.builder().server(server.address()).build();
                SessionFactory factory = factory(client)) {
            factory.inTransaction(session -> {
                for (String what : List.of("tea", "cake", "jam")) {
                    session.persist(new Purchase(what));
                }
            });
            factory.inSession(session -> {
                assertEquals("tea", session.find(Purchase.class, 1L).what);
                assertEquals(List.of(1L, 2L, 3L),
                        session.createSelectionQuery("select id from Purchase order by id", Long.class).getResultList());
            });
            assertTrue(server.requests.stream().allMatch(request -> request.contains("biz_tag=order")));
        }
    }

    @Test
    void whatTheServerSaysReachesTheCaller() {
        try (TestServer server = new TestServer();
                IdAllocClient client = IdAllocClient.builder().server(server.address()).build();
                SessionFactory factory = factory(client)) {
            assertThrows(IdAllocException.UnknownTag.class, () -> factory.inTransaction(session -> session.persist(new Orphan())));
        }
    }

    @Test
    void withoutAClientTheSettingIsNamed() {
        Throwable error = assertThrows(RuntimeException.class, () -> factory(null).close());
        StringBuilder messages = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            messages.append(cause.getMessage()).append('\n');
        }
        assertTrue(messages.toString().contains(IdAllocGenerator.CLIENT), messages::toString);
    }
}
