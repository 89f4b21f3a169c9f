package idalloc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// The test binary is also the adapter of the conformance suite (../conformance/README.md):
//
//	go test -c -o adapter && python3 ../conformance/run.py -- env ID_ALLOC_ADAPTER=1 ./adapter
func TestMain(m *testing.M) {
	if os.Getenv("ID_ALLOC_ADAPTER") != "" {
		newAdapter().run()
		return
	}
	os.Exit(m.Run())
}

type command struct {
	ID              int64    `json:"id"`
	Do              string   `json:"do"`
	Client          string   `json:"client"`
	Servers         []string `json:"servers"`
	Token           string   `json:"token"`
	RangeDurationMs int64    `json:"range_duration_ms"`
	MaxRange        int64    `json:"max_range"`
	DeadlineMs      int64    `json:"deadline_ms"`
	ManualClock     bool     `json:"manual_clock"`
	Tag             string   `json:"tag"`
	Times           int      `json:"times"`
	N               int      `json:"n"`
	Threads         int      `json:"threads"`
	AdvanceMs       int64    `json:"advance_ms"`
	CountWaits      bool     `json:"count_waits"`
}

type reply map[string]any

type adapter struct {
	output  sync.Mutex
	mu      sync.Mutex
	clients map[string]*Client
	clocks  map[string]*manualClock
}

// manualClock is a clock that stands still unless told.
type manualClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *manualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *manualClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newAdapter() *adapter {
	return &adapter{clients: map[string]*Client{}, clocks: map[string]*manualClock{}}
}

func (a *adapter) run() {
	a.say(reply{"hello": reply{"can": []string{"manual_clock", "count_waits", "copy"}}})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, "not a command:", err)
			os.Exit(2)
		}
		if c.Do == "open" {
			a.answer(c)
		} else {
			go a.answer(c)
		}
	}
}

func (a *adapter) say(r reply) {
	line, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	a.output.Lock()
	defer a.output.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

func (a *adapter) answer(c command) {
	r, err := a.do(c)
	if err != nil {
		r = reply{"failed": err.Error()}
	}
	r["id"] = c.ID
	a.say(r)
}

func (a *adapter) do(c command) (reply, error) {
	if c.Do == "open" {
		return reply{}, a.open(c)
	}
	a.mu.Lock()
	client := a.clients[c.Client]
	a.mu.Unlock()
	switch c.Do {
	case "next":
		if c.CountWaits {
			return drawCountingWaits(client.Tag(c.Tag), c.Times), nil
		}
		return draw(client.Tag(c.Tag), c.Times), nil
	case "next_many":
		ids, err := client.Tag(c.Tag).NextMany(context.Background(), c.N)
		return result(ids, err), nil
	case "elsewhere":
		clientCopy := *client
		tagCopy := clientCopy.Tag(c.Tag)
		return draw(tagCopy, c.Times), nil
	case "threads":
		return a.threads(client, c), nil
	case "clock":
		a.clocks[c.Client].advance(time.Duration(c.AdvanceMs) * time.Millisecond)
		return reply{}, nil
	case "close":
		return reply{}, client.Close()
	}
	return nil, fmt.Errorf("no such command: %s", c.Do)
}

func (a *adapter) open(c command) error {
	now := time.Now
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.ManualClock {
		a.clocks[c.Client] = &manualClock{now: time.Unix(1_000_000, 0)}
		now = a.clocks[c.Client].Now
	}
	client, err := newClient(Options{
		Servers:       c.Servers,
		Token:         c.Token,
		RangeDuration: time.Duration(c.RangeDurationMs) * time.Millisecond,
		MaxRange:      c.MaxRange,
		Deadline:      time.Duration(c.DeadlineMs) * time.Millisecond,
	}, now)
	a.clients[c.Client] = client
	return err
}

func (a *adapter) threads(client *Client, c command) reply {
	results := make([]reply, c.Threads)
	var done sync.WaitGroup
	for i := range results {
		done.Add(1)
		go func() {
			defer done.Done()
			results[i] = draw(client.Tag(c.Tag), c.Times)
		}()
	}
	done.Wait()
	byThread := make([]any, 0, c.Threads)
	for _, r := range results {
		if r["error"] != nil {
			return reply{"by_thread": []any{}, "error": r["error"]}
		}
		byThread = append(byThread, r["runs"])
	}
	return reply{"by_thread": byThread}
}

func draw(tag Tag, times int) reply {
	ids := make([]int64, 0, times)
	for range times {
		id, err := tag.Next(context.Background())
		if err != nil {
			return result(ids, err)
		}
		ids = append(ids, id)
	}
	return result(ids, nil)
}

// drawCountingWaits says too how often no id was in memory.
func drawCountingWaits(tag Tag, times int) reply {
	ids, waited := make([]int64, 0, times), 0
	var err error
	for len(ids) < times && err == nil {
		tag.mu.Lock()
		if tag.current.Load().empty() && tag.reserve == nil {
			waited++
		}
		tag.mu.Unlock()
		var id int64
		if id, err = tag.Next(context.Background()); err == nil {
			ids = append(ids, id)
		}
	}
	r := result(ids, err)
	r["waited"] = waited
	return r
}

func result(ids []int64, err error) reply {
	runs := [][2]any{}
	for at := 0; at < len(ids); {
		end := at + 1
		for end < len(ids) && ids[end] == ids[end-1]+1 {
			end++
		}
		runs = append(runs, [2]any{strconv.FormatInt(ids[at], 10), end - at})
		at = end
	}
	r := reply{"runs": runs}
	if err != nil {
		r["error"] = reply{"type": typeOf(err), "message": err.Error()}
	}
	return r
}

func typeOf(err error) string {
	names := map[string]error{
		"UnknownTag": ErrUnknownTag, "Exhausted": ErrExhausted, "Unauthorized": ErrUnauthorized, "Unavailable": ErrUnavailable,
	}
	for name, kind := range names {
		if errors.Is(err, kind) {
			return name
		}
	}
	var base *Error
	if errors.As(err, &base) {
		return "IdAllocError"
	}
	return fmt.Sprintf("%T", err)
}
