package io.github.idalloc.hibernate;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.hibernate.annotations.IdGeneratorType;

/**
 * Takes the ids of an entity from id-alloc; the attribute is a {@code Long} or {@code long}.
 *
 * <pre>{@code
 * @Id
 * @IdAlloc("order")
 * private Long id;
 * }</pre>
 *
 * <p>The client is the value of the setting {@link IdAllocGenerator#CLIENT}.
 */
@IdGeneratorType(IdAllocGenerator.class)
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.FIELD, ElementType.METHOD})
public @interface IdAlloc {
    /**
     * The tag.
     *
     * @return its name
     */
    String value();
}
