package idalloc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Tag hands out the ids of one tag. It is safe for use by many goroutines; a copy is the same handle.
type Tag struct {
	*tag
}

// span is a range that ids are taken from. Each has a counter of its own, so a caller who looked at one that is used up
// meanwhile can only find it used up.
type span struct {
	first, count int64
	// used may run past count, never near its own end: only an unused span is added to in bulk.
	used atomic.Int64
}

// take takes up to n ids, none if the span is used up.
func (s *span) take(n int64) (first, got int64) {
	if s.used.Load() >= s.count {
		return 0, 0
	}
	end := s.used.Add(n)
	start := end - n
	if start >= s.count {
		return 0, 0
	}
	return s.first + start, min(n, s.count-start)
}

func (s *span) empty() bool {
	return s.used.Load() >= s.count
}

// tag is what all handles of a tag share.
type tag struct {
	client *core
	name   string
	// current is where ids are taken from without a lock. It is replaced under mu, and only when it is used up.
	current atomic.Pointer[span]

	mu sync.Mutex
	// reserve is the range after the current one; nil while it is fetched.
	reserve *span
	// refill is the fetch on its way; nil if there is none.
	refill *refill
	// waiting is how many ids the callers wait for who found none in memory.
	waiting int64
	pace    pace
	seen    seen
	line    line
	closed  bool
}

func newTag(c *core, name string) *tag {
	t := &tag{
		client: c,
		name:   name,
		pace:   newPace(c.options.RangeDuration, c.options.MaxRange),
		line:   newLine(c.servers, c.options.Deadline),
	}
	t.current.Store(&span{})
	return t
}

// Next returns an id. It waits only when none is in memory: until one is there, the context ends, or the client's
// deadline has passed.
func (t *tag) Next(ctx context.Context) (int64, error) {
	// One addition where an id is there; span.take in short.
	s := t.current.Load()
	if used := s.used.Add(1); used <= s.count {
		return s.first + used - 1, nil
	}
	return t.nextSlowly(ctx)
}

func (t *tag) nextSlowly(ctx context.Context) (int64, error) {
	var patience patience
	defer patience.end()
	first, _, err := t.take(ctx, 1, &patience)
	return first, err
}

// NextMany returns n ids, which need not follow each other without gaps. Either all n come or an error.
func (t *tag) NextMany(ctx context.Context, n int) ([]int64, error) {
	if n < 1 {
		return nil, t.fault(nil, fmt.Sprintf("NextMany wants at least 1 id, not %d", n))
	}
	var patience patience
	defer patience.end()
	ids := make([]int64, 0, min(int64(n), t.client.options.MaxRange))
	for len(ids) < n {
		first, got, err := t.take(ctx, int64(n-len(ids)), &patience)
		if err != nil {
			return nil, err
		}
		for i := int64(0); i < got; i++ {
			ids = append(ids, first+i)
		}
	}
	return ids, nil
}

// take takes up to n ids, at least one, and waits while there are none.
func (t *tag) take(ctx context.Context, n int64, patience *patience) (first, got int64, err error) {
	for {
		if first, got = t.current.Load().take(n); got > 0 {
			return first, got, nil
		}
		if err = ctx.Err(); err != nil {
			return 0, 0, t.interrupted(err)
		}
		fetching, err := t.advance(n)
		if err != nil {
			return 0, 0, err
		}
		if fetching == nil {
			continue
		}
		select {
		case <-fetching.done:
			err = fetching.err
		case <-patience.over(t.client.options.Deadline):
			err = t.late()
		case <-ctx.Done():
			err = t.interrupted(ctx.Err())
		}
		t.mu.Lock()
		t.waiting -= n
		t.mu.Unlock()
		if err != nil {
			return 0, 0, err
		}
	}
}

// patience is the deadline of one call; it begins when the call first has to wait.
type patience struct {
	timer *time.Timer
}

func (p *patience) over(after time.Duration) <-chan time.Time {
	if p.timer == nil {
		p.timer = time.NewTimer(after)
	}
	return p.timer.C
}

func (p *patience) end() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// advance makes the reserve the current range if that is used up, and sees to it that the next one is fetched. It returns
// the fetch to wait for, counting the caller among those who wait, or nil if the caller should try again.
func (t *tag) advance(n int64) (*refill, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, t.fault(ErrClosed, "")
	}
	used := t.current.Load()
	if !used.empty() {
		return nil, nil
	}
	if t.reserve != nil {
		t.pace.usedUp(used.count, t.client.now())
		t.current.Store(t.reserve)
		t.reserve = nil
		t.fetch()
		return nil, nil
	}
	t.pace.ranDry(t.client.now())
	t.waiting += n
	t.fetch()
	return t.refill, nil
}

// close lets nobody have another id. The fetch on its way ends by itself, as the client cancels it.
func (t *tag) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.current.Store(&span{})
	t.reserve = nil
}

func (t *tag) fault(kind error, message string) *Error {
	return &Error{Kind: kind, Tag: t.name, Message: message}
}

// late is what a caller is told whose deadline has passed.
func (t *tag) late() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.fault(ErrUnavailable, fmt.Sprintf("no ids within %v", t.client.options.Deadline))
	err.Err = t.line.trouble
	return err
}

// interrupted is what a caller is told whose context has ended.
func (t *tag) interrupted(why error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.fault(nil, "the context ended while waiting for ids")
	if errors.Is(why, context.DeadlineExceeded) {
		err.Kind = ErrUnavailable
	}
	err.Err = why
	if t.line.trouble != nil {
		err.Err = fmt.Errorf("%w; before that: %w", why, t.line.trouble)
	}
	return err
}
