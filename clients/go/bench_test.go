package idalloc

import (
	"context"
	"sync/atomic"
	"testing"
)

// Next from memory beside a plain counter. `go test -bench . -cpu 1,2`; ids/s is 1e9 / (ns/op).

func benchmarkTag() Tag {
	tag := newTag(&core{options: Options{MaxRange: DefaultMaxRange}}, "order")
	tag.current.Store(&span{count: 1 << 62})
	return Tag{tag}
}

func BenchmarkNext(b *testing.B) {
	tag, ctx := benchmarkTag(), context.Background()
	for range b.N {
		if _, err := tag.Next(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNextShared(b *testing.B) {
	tag, ctx := benchmarkTag(), context.Background()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := tag.Next(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkNextMany1000(b *testing.B) {
	tag, ctx := benchmarkTag(), context.Background()
	for range b.N {
		if _, err := tag.NextMany(ctx, 1000); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlainAtomicCounter(b *testing.B) {
	var counter atomic.Int64
	for range b.N {
		counter.Add(1)
	}
}

func BenchmarkPlainAtomicCounterShared(b *testing.B) {
	var counter atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			counter.Add(1)
		}
	})
}
