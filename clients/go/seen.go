package idalloc

import "sort"

// seenRuns bounds how many runs of ids are remembered.
const seenRuns = 1024

// seen remembers every range that a tag was answered, and refuses what overlaps one: a cache or a proxy has repeated an
// answer, or the servers' data went back.
//
// "Above everything so far" would be too strict, since servers hand out from different segments: after a change of
// server good ranges may lie below earlier ones. Neighbours are joined, and where there are more than seenRuns runs, the two with
// the smallest gap between them become one, with the gap. So nothing is ever forgotten: a repeated range is refused
// however late it comes. The price is that a good range is refused if it lies in such a gap, the smallest of 1,024, of ids
// that other clients were given in all likelihood; the server has then moved past it at the next attempt.
type seen struct {
	// runs in rising order, which neither touch nor overlap.
	runs []run
}

// run is first … last, both included, so that the largest id has a place.
type run struct {
	first, last int64
}

// add takes note of a range; false if an id of it was there before.
func (s *seen) add(first, count int64) bool {
	last := first + count - 1
	// The first run that ends where the range begins, or later.
	at := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].last >= first })
	if at < len(s.runs) && s.runs[at].first <= last {
		return false
	}
	joinsLower := at > 0 && s.runs[at-1].last == first-1
	joinsUpper := at < len(s.runs) && s.runs[at].first-1 == last
	switch {
	case joinsLower && joinsUpper:
		s.runs[at-1].last = s.runs[at].last
		s.remove(at)
	case joinsLower:
		s.runs[at-1].last = last
	case joinsUpper:
		s.runs[at].first = first
	default:
		s.runs = append(s.runs, run{})
		copy(s.runs[at+1:], s.runs[at:])
		s.runs[at] = run{first, last}
	}
	if len(s.runs) > seenRuns {
		s.joinClosest()
	}
	return true
}

func (s *seen) joinClosest() {
	closest := 1
	for i := 2; i < len(s.runs); i++ {
		if s.runs[i].first-s.runs[i-1].last < s.runs[closest].first-s.runs[closest-1].last {
			closest = i
		}
	}
	s.runs[closest-1].last = s.runs[closest].last
	s.remove(closest)
}

func (s *seen) remove(at int) {
	s.runs = append(s.runs[:at], s.runs[at+1:]...)
}
