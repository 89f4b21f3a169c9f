package io.github.idalloc.bench;

import io.github.idalloc.IdAllocClient;
import io.github.idalloc.Tag;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import me.ahoo.cosid.segment.IdSegmentDistributor;
import me.ahoo.cosid.segment.SegmentChainId;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Ids a second of the client (against a running server), of CosId's chain of segments, and of an {@link AtomicLong}:
 *
 * <pre>{@code
 * mvn -Pbench --projects bench --also-make -DskipTests package
 * java -cp 'bench/target/classes:bench/target/lib/*' org.openjdk.jmh.Main -f 1 -t 2 -p address=http://127.0.0.1:8880 -p tag=test
 * }</pre>
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
public class Ids {
    /** The client. */
    @State(Scope.Benchmark)
    public static class Client {
        /** The server. */
        @Param("http://127.0.0.1:8880")
        public String address;
        /** Its step should be large. */
        @Param("test")
        public String tag;

        private IdAllocClient client;
        private Tag handle;

        /** Before the first id. */
        @Setup
        public void open() {
            client = IdAllocClient.builder().server(address).build();
            handle = client.tag(tag);
        }

        /** After the last id. */
        @TearDown
        public void close() {
            client.close();
        }
    }

    /** CosId with its default settings; ranges come from a counter in memory, so that no database holds it up. */
    @State(Scope.Benchmark)
    public static class CosId {
        private final SegmentChainId chain = new SegmentChainId(new Distributor());
    }

    /** As large a step as the client's largest range. */
    private static final class Distributor implements IdSegmentDistributor {
        private final AtomicLong last = new AtomicLong();

        @Override
        public String getNamespace() {
            return "bench";
        }

        @Override
        public String getName() {
            return "ids";
        }

        @Override
        public long getStep() {
            return 10_000_000;
        }

        @Override
        public long nextMaxId(long step) {
            return last.addAndGet(step);
        }
    }

    /** What both could be at best. */
    @State(Scope.Benchmark)
    public static class Counter {
        private final AtomicLong value = new AtomicLong();
    }

    /** The client. */
    @Benchmark
    public long next(Client client) {
        return client.handle.next();
    }

    /** CosId. */
    @Benchmark
    public long segmentChainId(CosId cosId) {
        return cosId.chain.generate();
    }

    /** The counter. */
    @Benchmark
    public long atomicLong(Counter counter) {
        return counter.value.getAndIncrement();
    }
}
