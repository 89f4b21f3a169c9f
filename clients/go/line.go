package idalloc

import (
	"math/rand"
	"time"
)

const (
	firstPause    = 50 * time.Millisecond
	longestPause  = 2 * time.Second
	maxRetryAfter = time.Minute
	suspicion     = 30 * time.Second
)

// line is the servers as one tag sees them: which is asked next, and when. A server that failed is left alone for a while,
// and the next one asked at once. It reads no clock.
type line struct {
	servers  []*server
	standing []standing
	// preferred is the server that answered last.
	preferred int
	longest   time.Duration
	// trouble is the last failure, for messages; nil after a success.
	trouble error
}

type standing struct {
	failures int
	// retryAt is when the server may be asked again.
	retryAt time.Time
}

func newLine(servers []*server, deadline time.Duration) line {
	return line{
		servers:  servers,
		standing: make([]standing, len(servers)),
		longest:  min(longestPause, deadline/4),
	}
}

// choose returns the server to ask now, or −1 and how long to wait for one.
func (l *line) choose(now time.Time) (server int, wait time.Duration) {
	suspect, first := -1, time.Time{}
	for i := range l.servers {
		at := (l.preferred + i) % len(l.servers)
		retryAt := l.standing[at].retryAt
		switch {
		case retryAt.After(now):
			if first.IsZero() || retryAt.Before(first) {
				first = retryAt
			}
		case !l.servers[at].isSuspect(now):
			return at, 0
		case suspect < 0:
			suspect = at
		}
	}
	if suspect >= 0 {
		return suspect, 0
	}
	return -1, first.Sub(now)
}

func (l *line) succeeded(server int) {
	l.preferred, l.trouble = server, nil
	l.standing[server] = standing{}
	l.servers[server].suspect(time.Time{})
}

func (l *line) failed(server int, now time.Time, f *failure) {
	standing := &l.standing[server]
	pause := l.pause(standing.failures)
	if f.retryAfter > 0 {
		// A little later than it said, so that not all clients come back at once.
		pause = min(f.retryAfter, maxRetryAfter)
		pause += time.Duration(rand.Float64() * float64(pause) / 10)
	}
	standing.failures++
	standing.retryAt = now.Add(pause)
	if f.status == 0 {
		l.servers[server].suspect(now.Add(suspicion))
	}
	l.trouble = f
}

// pause grows from firstPause to the longest one, half of it left to chance.
func (l *line) pause(failures int) time.Duration {
	pause := l.longest
	if failures < 16 {
		pause = min(pause, firstPause<<failures)
	}
	return pause/2 + time.Duration(rand.Float64()*float64(pause)/2)
}

func (s *server) isSuspect(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.suspectUntil.After(now)
}

func (s *server) suspect(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suspectUntil = until
}
