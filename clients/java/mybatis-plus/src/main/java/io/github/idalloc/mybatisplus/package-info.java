/** Ids of MyBatis-Plus' entities from id-alloc: {@link io.github.idalloc.mybatisplus.IdAllocIdentifierGenerator}. */
package io.github.idalloc.mybatisplus;
