/** Keys of ShardingSphere's tables from id-alloc: {@link io.github.idalloc.shardingsphere.IdAllocKeyGenerateAlgorithm}. */
package io.github.idalloc.shardingsphere;
