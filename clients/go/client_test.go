package idalloc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What is particular to Go; the rest is in the conformance suite.

// serve answers like a server with one tag, "order".
func serve(t testing.TB) *httptest.Server {
	var next atomic.Int64
	next.Store(1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("biz_tag") != "order" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errno":-1,"msg":"unknown biz_tag","id":0,"code":"unknown_tag"}`)
			return
		}
		var count int64
		fmt.Sscan(r.URL.Query().Get("count"), &count)
		fmt.Fprintf(w, `{"errno":0,"msg":"success","first":%d,"count":%d}`, next.Add(count)-count, count)
	}))
	t.Cleanup(server.Close)
	return server
}

// silent accepts requests and answers none.
func silent(t testing.TB) *httptest.Server {
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	t.Cleanup(func() {
		close(over)
		server.Close()
	})
	return server
}

func open(t testing.TB, options Options) *Client {
	t.Helper()
	client, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	good := []string{"http://127.0.0.1:8880"}
	for name, options := range map[string]Options{
		"no servers":       {},
		"no scheme":        {Servers: []string{"127.0.0.1:8880"}},
		"another scheme":   {Servers: []string{"ftp://127.0.0.1:8880"}},
		"no host":          {Servers: []string{"http://"}},
		"a query":          {Servers: []string{"http://127.0.0.1:8880?a=b"}},
		"a password":       {Servers: []string{"http://user:password@127.0.0.1:8880"}},
		"one of two":       {Servers: []string{good[0], "nonsense"}},
		"a negative range": {Servers: good, MaxRange: -1},
		"no time":          {Servers: good, Deadline: -time.Second},
		"no duration":      {Servers: good, RangeDuration: -time.Second},
		"a token's end":    {Servers: good, Token: "token\n"},
	} {
		if _, err := New(options); err == nil || !strings.HasPrefix(err.Error(), "id-alloc: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorsAreFoundByKindAndSayWhatTheServerSaid(t *testing.T) {
	server := serve(t)
	_, err := open(t, Options{Servers: []string{server.URL}}).Tag("nope").Next(context.Background())
	var e *Error
	if !errors.Is(err, ErrUnknownTag) || !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e.Tag != "nope" || e.Server != server.URL || e.Status != 404 || e.Code != "unknown_tag" || e.Message != "unknown biz_tag" {
		t.Fatalf("%+v", e)
	}
	want := fmt.Sprintf(`id-alloc: tag "nope": unknown tag: %s answered 404 unknown_tag: unknown biz_tag`, server.URL)
	if err.Error() != want {
		t.Fatalf("%q, want %q", err, want)
	}
}

func TestContextEndsTheWait(t *testing.T) {
	tag := open(t, Options{Servers: []string{silent(t).URL}}).Tag("order")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := tag.Next(ctx)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	if _, err := tag.NextMany(ctx, 3); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
}

func TestIdsInMemoryNeedNoContext(t *testing.T) {
	tag := open(t, Options{Servers: []string{serve(t).URL}}).Tag("order")
	if _, err := tag.Next(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if id, err := tag.Next(ctx); id != 2 || err != nil {
		t.Fatal(id, err)
	}
}

func TestNextManyWantsAtLeastOne(t *testing.T) {
	tag := open(t, Options{Servers: []string{serve(t).URL}}).Tag("order")
	for _, n := range []int{0, -1} {
		var e *Error
		if ids, err := tag.NextMany(context.Background(), n); !errors.As(err, &e) || ids != nil {
			t.Fatal(ids, err)
		}
	}
}

func TestATagAskedForAfterCloseIsClosed(t *testing.T) {
	client := open(t, Options{Servers: []string{serve(t).URL}})
	client.Close()
	if _, err := client.Tag("another").Next(context.Background()); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestNextFromMemoryAllocatesNothing(t *testing.T) {
	tag, ctx := benchmarkTag(), context.Background()
	if n := testing.AllocsPerRun(1000, func() { tag.Next(ctx) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
