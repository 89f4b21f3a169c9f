package idalloc

import (
	"math"
	"math/rand"
	"testing"
)

func TestSeenRefusesExactlyWhatItHasSeen(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	var s seen
	ids := map[int64]bool{}
	for range 20_000 {
		first, count := random.Int63n(5000), 1+random.Int63n(12)
		free := true
		for id := first; id < first+count; id++ {
			free = free && !ids[id]
		}
		if s.add(first, count) != free {
			t.Fatalf("%d ids from %d: free is %v, runs are %v", count, first, free, s.runs)
		}
		if free {
			for id := first; id < first+count; id++ {
				ids[id] = true
			}
		}
		for i := 1; i < len(s.runs); i++ {
			if s.runs[i].first <= s.runs[i-1].last+1 {
				t.Fatalf("runs touch: %v", s.runs)
			}
		}
	}
}

func TestSeenIsBoundedAndForgetsNothing(t *testing.T) {
	random := rand.New(rand.NewSource(2))
	var s seen
	var given []run
	for next := int64(0); len(given) < 10_000; next += 2 + random.Int63n(1000) {
		if !s.add(next, 10) {
			t.Fatalf("a range above all others was refused: %d", next)
		}
		given = append(given, run{next, next + 9})
		next += 10
		if len(s.runs) > seenRuns {
			t.Fatalf("%d runs", len(s.runs))
		}
	}
	for _, r := range given {
		for _, id := range []int64{r.first, r.last} {
			if s.add(id, 1) {
				t.Fatalf("%d was taken twice", id)
			}
		}
	}
}

func TestSeenKeepsTheLargestGaps(t *testing.T) {
	var s seen
	s.add(1, 10)
	for i := int64(0); i < 2*seenRuns; i++ {
		s.add(5_000_000+i*20, 10)
	}
	if !s.add(11, 100_000) {
		t.Fatal("what another server still has below is refused")
	}
}

func TestSeenHasRoomForTheLargestId(t *testing.T) {
	var s seen
	if !s.add(math.MaxInt64, 1) || !s.add(math.MaxInt64-10, 10) || !s.add(0, 1) {
		t.Fatal("a new range was refused")
	}
	if s.add(math.MaxInt64, 1) || len(s.runs) != 2 {
		t.Fatalf("runs: %v", s.runs)
	}
}
