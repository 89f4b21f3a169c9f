package idalloc

import (
	"testing"
	"time"
)

func at(seconds float64) time.Time {
	return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func TestPaceDoublesAtMost(t *testing.T) {
	p := newPace(10*time.Second, 1000)
	var sizes []int64
	for i := range 9 {
		sizes = append(sizes, p.next(at(0)))
		if i > 0 {
			p.usedUp(sizes[i-1], at(0))
		}
	}
	want := []int64{16, 16, 32, 64, 128, 256, 512, 1000, 1000}
	for i := range want {
		if sizes[i] != want[i] {
			t.Fatalf("sizes %v, want %v", sizes, want)
		}
	}
}

func TestPaceFollowsTheRateDownAtOnce(t *testing.T) {
	p := newPace(10*time.Second, 1_000_000)
	p.size = 8192
	p.usedUp(0, at(0))
	p.usedUp(8192, at(8192))
	if size := p.next(at(8192)); size != 10 {
		t.Fatalf("one id a second for 10 s are %d", size)
	}
	p.usedUp(10, at(9e6))
	if size := p.next(at(9e6)); size != 1 {
		t.Fatalf("a size of %d", size)
	}
}

func TestPaceDoesNotCountTimeWithoutIds(t *testing.T) {
	p := newPace(10*time.Second, 1_000_000)
	p.size = 1000
	p.usedUp(0, at(0))
	p.ranDry(at(10))
	p.ranDry(at(20))
	p.arrived(at(100)) // 90 s of outage
	p.usedUp(1000, at(100))
	if size := p.next(at(100)); size != 1000 {
		t.Fatalf("100 ids a second for 10 s are %d", size)
	}
}

func TestPacePermitsLessForGood(t *testing.T) {
	p := newPace(10*time.Second, 1000)
	p.permit(100)
	p.permit(500)
	if got := p.bound(700); got != 100 {
		t.Fatalf("bound is %d", got)
	}
	p.permit(0)
	if got := p.bound(700); got != 1 {
		t.Fatalf("bound is %d", got)
	}
}
