/** Unique, increasing 64-bit ids from id-alloc servers, counted in memory: {@link io.github.idalloc.IdAllocClient}. */
package io.github.idalloc;
