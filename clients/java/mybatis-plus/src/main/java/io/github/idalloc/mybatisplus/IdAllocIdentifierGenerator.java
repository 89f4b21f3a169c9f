package io.github.idalloc.mybatisplus;

import com.baomidou.mybatisplus.core.incrementer.IdentifierGenerator;
import com.baomidou.mybatisplus.core.metadata.TableInfo;
import com.baomidou.mybatisplus.core.metadata.TableInfoHelper;
import io.github.idalloc.IdAllocClient;
import java.util.Objects;
import java.util.function.Function;

/**
 * Takes the ids of entities whose key is {@code @TableId(type = IdType.ASSIGN_ID)} from id-alloc.
 *
 * <pre>{@code
 * globalConfig.setIdentifierGenerator(new IdAllocIdentifierGenerator(client));
 * }</pre>
 *
 * <p>With Spring Boot it is enough to make it a bean. Who made the client closes it, after the last insert. Let keys be
 * {@code Long} or {@code String}: ids outgrow an {@code Integer}.
 */
public final class IdAllocIdentifierGenerator implements IdentifierGenerator {
    private final IdAllocClient client;
    private final Function<Object, String> tagOf;

    /**
     * Each table has its own ids: the tag is the table's name, as {@code @TableName} or MyBatis-Plus' rules have it.
     *
     * @param client where ids come from
     */
    public IdAllocIdentifierGenerator(IdAllocClient client) {
        this(client, IdAllocIdentifierGenerator::table);
    }

    /**
     * With tags of your own, such as {@code entity -> "ids"} for one tag that all tables share.
     *
     * @param client where ids come from
     * @param tagOf the tag of an entity that is about to be inserted
     */
    public IdAllocIdentifierGenerator(IdAllocClient client, Function<Object, String> tagOf) {
        this.client = Objects.requireNonNull(client, "client");
        this.tagOf = Objects.requireNonNull(tagOf, "tagOf");
    }

    @Override
    public Number nextId(Object entity) {
        return client.tag(tagOf.apply(entity)).next();
    }

    private static String table(Object entity) {
        TableInfo table = TableInfoHelper.getTableInfo(entity.getClass());
        if (table == null) {
            throw new IllegalArgumentException("MyBatis-Plus knows no table of " + entity.getClass().getName()
                    + ", whose name would be the tag: give IdAllocIdentifierGenerator a function that names the tag");
        }
        return table.getTableName();
    }
}
