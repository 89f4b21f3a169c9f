/** Ids of Hibernate's entities from id-alloc: {@link io.github.idalloc.hibernate.IdAlloc}. */
package io.github.idalloc.hibernate;
