package idalloc

import (
	"testing"
	"time"
)

func testLine(t *testing.T, servers int) line {
	t.Helper()
	var list []*server
	for range servers {
		s, err := newServer("http://127.0.0.1:1")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return newLine(list, 10*time.Second)
}

func wantServer(t *testing.T, l *line, now time.Time, want int) {
	t.Helper()
	if got, wait := l.choose(now); got != want {
		t.Fatalf("server %d (wait %v), want %d", got, wait, want)
	}
}

func TestLineAsksTheNextServerAtOnceAndStaysThere(t *testing.T) {
	l := testLine(t, 3)
	wantServer(t, &l, at(0), 0)
	l.failed(0, at(0), &failure{status: 500})
	wantServer(t, &l, at(0), 1)
	l.failed(1, at(0), &failure{status: 500})
	wantServer(t, &l, at(0), 2)
	l.succeeded(2)
	wantServer(t, &l, at(100), 2)
	l.failed(2, at(100), &failure{status: 500})
	wantServer(t, &l, at(100), 0)
}

func TestLinePausesGrowAndAreBounded(t *testing.T) {
	l := testLine(t, 1)
	now := at(0)
	for failures := range 40 {
		l.failed(0, now, &failure{status: 500})
		_, wait := l.choose(now)
		full := min(longestPause, firstPause<<min(failures, 10))
		if wait < full/2 || wait > full {
			t.Fatalf("after %d failures a pause of %v", failures+1, wait)
		}
		now = now.Add(wait)
		wantServer(t, &l, now, 0)
	}
	l.succeeded(0)
	wantServer(t, &l, now, 0)
}

func TestLineHonoursRetryAfterWithinBounds(t *testing.T) {
	for said, most := range map[time.Duration]time.Duration{7 * time.Second: 7700 * time.Millisecond, time.Hour: 66 * time.Second} {
		l := testLine(t, 1)
		l.failed(0, at(0), &failure{status: 503, retryAfter: said})
		if _, wait := l.choose(at(0)); wait < min(said, maxRetryAfter) || wait > most {
			t.Fatalf("Retry-After %v became %v", said, wait)
		}
	}
}

func TestLinePutsAServerThatDoesNotAnswerLastForOtherTagsToo(t *testing.T) {
	l := testLine(t, 2)
	other := newLine(l.servers, 10*time.Second)
	l.failed(0, at(0), &failure{})
	wantServer(t, &other, at(0), 1)
	other.failed(1, at(0), &failure{status: 500})
	wantServer(t, &other, at(0), 0) // suspect, but all that is left
	wantServer(t, &other, at(1), 1) // suspect still
	wantServer(t, &l, at(31), 0)    // and not for ever
}

func TestLineCountsARefusalForItsTagOnly(t *testing.T) {
	l := testLine(t, 2)
	other := newLine(l.servers, 10*time.Second)
	l.failed(0, at(0), &failure{status: 500})
	wantServer(t, &other, at(0), 0)
}
