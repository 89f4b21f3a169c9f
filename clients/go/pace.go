package idalloc

import "time"

// firstRange is how many ids a client asks for that knows nothing of the rate.
const firstRange = 16

// pace decides how large the next range is, so that one lasts about the wanted duration at the recent rate: at most
// double the size before, at least 1, at most the limit. It reads no clock.
type pace struct {
	duration time.Duration
	limit    int64
	// size of the last range; 0 before the first.
	size int64
	// used are the ids of the ranges used up since `since`.
	used  int64
	since time.Time
	// dryFrom is when the ids ran out; zero while there are some. Time without ids says nothing of the rate.
	dryFrom time.Time
}

func newPace(duration time.Duration, limit int64) pace {
	return pace{duration: duration, limit: limit}
}

// next is the size of a range to be fetched from now on.
func (p *pace) next(now time.Time) int64 {
	switch {
	case p.size == 0:
		p.size = firstRange
	case p.used > 0:
		size := float64(2 * p.size)
		if elapsed := now.Sub(p.since); elapsed > 0 {
			size = min(size, float64(p.used)*float64(p.duration)/float64(elapsed))
		}
		p.size = int64(size)
		p.used, p.since = 0, now
	}
	p.size = p.bound(p.size)
	return p.size
}

// usedUp takes note of a range of `count` ids that has come to its end.
func (p *pace) usedUp(count int64, now time.Time) {
	p.used += count
	if p.since.IsZero() {
		p.since = now
	}
}

// ranDry takes note that somebody found no id.
func (p *pace) ranDry(now time.Time) {
	if p.dryFrom.IsZero() {
		p.dryFrom = now
	}
}

// arrived takes note that there are ids again.
func (p *pace) arrived(now time.Time) {
	if !p.dryFrom.IsZero() {
		p.since = p.since.Add(now.Sub(p.dryFrom))
		p.dryFrom = time.Time{}
	}
}

// bound is what may be asked for of what is wanted.
func (p *pace) bound(wanted int64) int64 {
	return max(1, min(wanted, p.limit))
}

// permit lowers the limit for good: a server does not give more at once.
func (p *pace) permit(limit int64) {
	p.limit = max(1, min(p.limit, limit))
}
