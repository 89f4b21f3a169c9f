// Package idalloc takes ids from id-alloc servers in ranges and counts them out in memory.
//
// A [Client] keeps, for each tag, a current range and one in reserve, which it fetches in the background. So Next is a
// matter of nanoseconds, and an outage of the servers goes unnoticed while ids are in memory (about [Options.RangeDuration],
// twice that at most). Ids are unique; ids of one client and tag rise as long as they come from one server, and in trend
// across servers. Ids in memory are lost when the process ends: gaps are normal.
//
//	client, err := idalloc.New(idalloc.Options{Servers: []string{"http://127.0.0.1:8880"}})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	id, err := client.Tag("order").Next(ctx)
//
// Inside: tag.go hands ids out, refill.go gets ranges, pace.go says how large they are, standing.go which server is asked
// and when, wire.go what is a good answer, seen.go that none is used twice. The rules are those of ../conformance/README.md.
package idalloc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Defaults and limits of [Options].
const (
	DefaultRangeDuration = 10 * time.Second
	DefaultMaxRange      = 10_000_000
	DefaultDeadline      = 10 * time.Second
)

// Options of [New]. Only Servers is needed.
type Options struct {
	// Servers are base addresses such as "http://10.0.0.1:8880". The first is asked until it fails, then the next one at
	// once. Let processes list them in different orders to spread their load.
	Servers []string
	// Token is sent as "Authorization: Bearer TOKEN"; empty for none.
	Token string
	// RangeDuration is how long one range should last at the current rate (10 s). Longer survives longer outages; up to twice
	// as much is lost when the process ends.
	RangeDuration time.Duration
	// MaxRange bounds a range (10,000,000, as limits.max_range of the server does).
	MaxRange int64
	// Deadline bounds how long a call waits for ids when none are in memory (10 s). A context may shorten it. One attempt at one
	// server takes at most a quarter of it.
	Deadline time.Duration
}

// Client hands out ids of any number of tags. It is safe for use by many goroutines; make one per process. A copy of it
// is the same client.
type Client struct {
	*core
}

// core is what all copies of a Client share.
type core struct {
	options Options
	servers []*server
	http    *http.Client
	// now is the clock that rates are measured with; tests replace it.
	now func() time.Time

	closing context.Context
	cancel  context.CancelFunc
	refills sync.WaitGroup

	mu     sync.Mutex
	closed bool
	tags   map[string]*tag
}

// New makes a client. It sends nothing until ids are wanted.
func New(options Options) (*Client, error) {
	return newClient(options, time.Now)
}

func newClient(options Options, now func() time.Time) (*Client, error) {
	if options.RangeDuration == 0 {
		options.RangeDuration = DefaultRangeDuration
	}
	if options.MaxRange == 0 {
		options.MaxRange = DefaultMaxRange
	}
	if options.Deadline == 0 {
		options.Deadline = DefaultDeadline
	}
	switch {
	case len(options.Servers) == 0:
		return nil, errors.New("id-alloc: Options.Servers is empty; name at least one, such as http://127.0.0.1:8880")
	case options.RangeDuration < 0:
		return nil, fmt.Errorf("id-alloc: Options.RangeDuration is %v; it has to be positive", options.RangeDuration)
	case options.MaxRange < 1:
		return nil, fmt.Errorf("id-alloc: Options.MaxRange is %d; it has to be at least 1", options.MaxRange)
	case options.Deadline < 0:
		return nil, fmt.Errorf("id-alloc: Options.Deadline is %v; it has to be positive", options.Deadline)
	case strings.ContainsFunc(options.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("id-alloc: Options.Token has a character that no token has, such as a line end")
	}
	c := &core{options: options, now: now, tags: map[string]*tag{}}
	for _, address := range options.Servers {
		s, err := newServer(address)
		if err != nil {
			return nil, err
		}
		c.servers = append(c.servers, s)
	}
	c.closing, c.cancel = context.WithCancel(context.Background())
	c.http = &http.Client{
		// Without proxies: what stands between a client and an id server is named as a server. A redirect is no answer
		// with ids, and the token is nobody else's business.
		Transport: &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: 60 * time.Second, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	return &Client{c}, nil
}

// server is one address, and what all tags know of it.
type server struct {
	// name is the address as it was given, for messages.
	name string
	base url.URL

	mu sync.Mutex
	// suspectUntil: it did not answer at all lately, so it is tried last until then, or until it answers.
	suspectUntil time.Time
}

func newServer(address string) (*server, error) {
	u, err := url.Parse(address)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		err = errors.New("want http://HOST:PORT or https://HOST:PORT, perhaps with a path")
	}
	if err != nil {
		return nil, fmt.Errorf("id-alloc: server address %q: %w", address, err)
	}
	return &server{name: strings.TrimRight(address, "/"), base: *u.JoinPath("range")}, nil
}

// Tag returns the handle of a tag. Handles of the same tag share their ranges; keep one, or ask for it each time.
func (c *core) Tag(name string) Tag {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tags[name]
	if t == nil {
		t = newTag(c, name)
		c.tags[name] = t
		if c.closed {
			t.close()
		}
	}
	return Tag{t}
}

// Close ends those who wait with [ErrClosed], cancels requests on their way, and waits until nothing of the client runs
// any more. Ids in memory are dropped. It always returns nil, and may be called again.
func (c *core) Close() error {
	c.mu.Lock()
	c.closed = true
	for _, t := range c.tags {
		t.close()
	}
	c.mu.Unlock()
	c.cancel()
	c.refills.Wait()
	c.http.CloseIdleConnections()
	return nil
}
