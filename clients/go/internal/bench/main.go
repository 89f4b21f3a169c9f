// Command bench measures Next beside a plain counter, against a running server:
//
//	go run ./internal/bench http://127.0.0.1:8880 test 2
//
// The tag needs a large step. It prints a line of JSON for each measurement, which scripts/bench reads.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	idalloc "github.com/id-alloc/id-alloc/clients/go"
)

// So many ids are taken between two looks at the clock.
const batch = 10_000

type measurement struct {
	What    string  `json:"what"`
	Threads int     `json:"threads"`
	IDs     int64   `json:"ids"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"` // seconds of this process
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: bench ADDRESS TAG SECONDS")
	}
	seconds, err := strconv.ParseFloat(os.Args[3], 64)
	if err != nil {
		log.Fatal(err)
	}
	client, err := idalloc.New(idalloc.Options{Servers: []string{os.Args[1]}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	tag, ctx := client.Tag(os.Args[2]), context.Background()
	next := func() {
		if _, err := tag.Next(ctx); err != nil {
			log.Fatal(err)
		}
	}
	measure("warm-up", 1, seconds, next)

	var counter atomic.Int64
	out := json.NewEncoder(os.Stdout)
	for _, threads := range []int{1, 2} {
		out.Encode(measure("next", threads, seconds, next))
		out.Encode(measure("counter", threads, seconds, func() { counter.Add(1) }))
	}
	out.Encode(latency(next))
}

func measure(what string, threads int, seconds float64, take func()) measurement {
	var ids atomic.Int64
	var running sync.WaitGroup
	began, used := time.Now(), cpu()
	for range threads {
		running.Add(1)
		go func() {
			defer running.Done()
			for time.Since(began).Seconds() < seconds {
				for range batch {
					take()
				}
				ids.Add(batch)
			}
		}()
	}
	running.Wait()
	return measurement{what, threads, ids.Load(), time.Since(began).Seconds(), cpu() - used}
}

// Nanoseconds of single calls, with what it takes to read the clock.
func latency(take func()) map[string]any {
	times := make([]int64, 1_000_000)
	for i := range times {
		began := time.Now()
		take()
		times[i] = int64(time.Since(began))
	}
	slices.Sort(times)
	at := func(part float64) int64 { return times[int(part*float64(len(times)))] }
	return map[string]any{"what": "latency", "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "ids": len(times)}
}

func cpu() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatal(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}
