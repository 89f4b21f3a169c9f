package io.github.idalloc.hibernate;

import io.github.idalloc.IdAllocClient;
import io.github.idalloc.Tag;
import java.lang.reflect.Member;
import java.util.EnumSet;
import org.hibernate.HibernateException;
import org.hibernate.engine.config.spi.ConfigurationService;
import org.hibernate.engine.spi.SharedSessionContractImplementor;
import org.hibernate.generator.AnnotationBasedGenerator;
import org.hibernate.generator.BeforeExecutionGenerator;
import org.hibernate.generator.EventType;
import org.hibernate.generator.EventTypeSets;
import org.hibernate.generator.GeneratorCreationContext;

/**
 * The generator behind {@link IdAlloc}. Ids are known before the row is inserted, so inserts can be batched. Not serializable: a
 * client is never copied.
 */
public final class IdAllocGenerator implements BeforeExecutionGenerator, AnnotationBasedGenerator<IdAlloc> {
    /** The setting whose value is the {@link IdAllocClient}. Who made the client closes it, after the session factory. */
    public static final String CLIENT = "id_alloc.client";

    private static final long serialVersionUID = 1L;

    private transient Tag tag;

    /** Called by Hibernate. */
    public IdAllocGenerator() {
    }

    @Override
    public void initialize(IdAlloc annotation, Member member, GeneratorCreationContext context) {
        Object client = context.getServiceRegistry().requireService(ConfigurationService.class).getSettings().get(CLIENT);
        if (!(client instanceof IdAllocClient)) {
            throw new HibernateException("@IdAlloc(\"" + annotation.value() + "\") needs an IdAllocClient as the setting " + CLIENT
                    + ", which is " + client);
        }
        tag = ((IdAllocClient) client).tag(annotation.value());
    }

    @Override
    public EnumSet<EventType> getEventTypes() {
        return EventTypeSets.INSERT_ONLY;
    }

    @Override
    public Object generate(SharedSessionContractImplementor session, Object owner, Object current, EventType event) {
        return tag.next();
    }
}
