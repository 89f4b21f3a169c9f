package idalloc

import (
	"context"
	"time"
)

// refill is the fetch of one range: attempts until one succeeds, the servers refuse for good, or the client closes.
type refill struct {
	done chan struct{}
	// err is set before done is closed, for those who wait; nil if the range has come.
	err error
	// shrink is how often a server had no ids for this size: the next attempt asks for less.
	shrink int
	size   int64
}

// fetch starts a refill unless one is on its way or not needed. The caller holds t.mu.
func (t *tag) fetch() {
	if t.refill != nil || t.reserve != nil || t.closed {
		return
	}
	t.refill = &refill{done: make(chan struct{}), size: t.pace.next(t.client.now())}
	t.client.refills.Add(1)
	go t.run(t.refill)
}

func (t *tag) run(r *refill) {
	defer t.client.refills.Done()
	for {
		server, count, wait := t.choose(r)
		if server < 0 {
			if !sleep(t.client.closing, wait) {
				t.finish(r, t.fault(ErrClosed, ""))
				return
			}
			continue
		}
		ctx, cancel := context.WithTimeout(t.client.closing, t.client.options.Deadline/4)
		first, failure := t.client.ask(ctx, t.client.servers[server], t.name, count)
		cancel()
		if t.client.closing.Err() != nil {
			t.finish(r, t.fault(ErrClosed, ""))
			return
		}
		if t.settle(r, server, first, count, failure) {
			return
		}
	}
}

// choose says which server to ask for how many ids, or (server < 0) how long to wait first.
func (t *tag) choose(r *refill) (server int, count int64, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	server, wait = t.line.choose(time.Now())
	return server, t.pace.bound(max(r.size>>min(r.shrink, 4), t.waiting)), wait
}

// settle takes note of an attempt, and says whether the refill is over.
func (t *tag) settle(r *refill, server int, first, count int64, failure *failure) bool {
	t.mu.Lock()
	if failure == nil && !t.seen.add(first, count) {
		failure = t.client.servers[server].repeated(first, count)
	}
	switch {
	case failure == nil:
		t.line.succeeded(server)
		if !t.closed {
			t.reserve = &span{first: first, count: count}
			t.pace.arrived(t.client.now())
		}
		t.mu.Unlock()
		t.finish(r, nil)
		return true
	case failure.tooMany && count > 1:
		t.pace.permit(count / 2)
	case failure.final != nil:
		t.mu.Unlock()
		t.finish(r, t.refused(failure))
		return true
	default:
		if failure.noIds {
			r.shrink++
		}
		t.line.failed(server, time.Now(), failure)
	}
	t.mu.Unlock()
	return false
}

// finish tells those who wait.
func (t *tag) finish(r *refill, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.err = err
	t.refill = nil
	close(r.done)
}

func (t *tag) refused(f *failure) error {
	err := t.fault(f.final, f.message)
	if f.final == errOther {
		err.Kind = nil
	}
	err.Server, err.Status, err.Code = f.server, f.status, f.code
	return err
}

// sleep returns false if the client was closed meanwhile.
func sleep(closing context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-closing.Done():
		return false
	}
}
