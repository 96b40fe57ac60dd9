package arm_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
	"weir/internal/rendezvous"
)

// BenchmarkGet asks a started server for one queue over one connection and reports the
// processor time the server spent on each, as the kernel counts it (Linux).
//
//	go test ./conformance/arm -run xxx -bench . -benchtime 5000x
func BenchmarkGet(b *testing.B) {
	for _, entities := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("among %d", entities), func(b *testing.B) {
			s := started(b, entities)
			get := asks(b, s, "/providers/Microsoft.ServiceBus/namespaces/sbemulatorns/queues/q00000?api-version=2024-01-01")
			get()
			before := busy(b, s)
			for b.Loop() {
				get()
			}
			b.ReportMetric(float64((busy(b, s)-before).Microseconds())/float64(b.N), "server-µs/op")
		})
	}
}

// BenchmarkPut makes one queue after the other in a namespace, each answered when its
// owner has it.
func BenchmarkPut(b *testing.B) {
	for _, entities := range []int{1, 9_000} {
		b.Run(fmt.Sprintf("among %d", entities), func(b *testing.B) {
			s := started(b, entities)
			before, n := busy(b, s), 0
			for b.Loop() {
				n++
				path := fmt.Sprintf("%s/providers/Microsoft.ServiceBus/namespaces/sbemulatorns/queues/new%d", server.Scope, n)
				if code, said, err := s.Ask(b.Context(), http.MethodPut, path, []byte("{}")); code != http.StatusOK || err != nil {
					b.Fatalf("%d %s %v", code, said, err)
				}
			}
			b.ReportMetric(float64((busy(b, s)-before).Microseconds())/float64(b.N), "server-µs/op")
		})
	}
}

// BenchmarkStart starts a server again that has many queues, until it is ready.
//
//	go test ./conformance/arm -run xxx -bench Start -benchtime 3x
func BenchmarkStart(b *testing.B) {
	s := started(b, 10_000)
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		if err := s.Stop(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := s.Start(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	asks(b, s, "/providers/Microsoft.ServiceBus/namespaces/sbemulatorns/queues/q00007")()
}

// started is a server with that many queues in its namespace.
func started(b *testing.B, entities int) *server.Server {
	b.Helper()
	s := servertest.Start(b, nil)
	const at = 1000 // in one request
	for first := 0; first < entities; first += at {
		var docs []map[string]any
		for i := first; i < min(first+at, entities); i++ {
			docs = append(docs, map[string]any{"type": "Microsoft.ServiceBus/namespaces/queues", "name": fmt.Sprintf("sbemulatorns/q%05d", i)})
		}
		body, err := json.Marshal(docs)
		if err != nil {
			b.Fatal(err)
		}
		if code, said, err := s.Ask(b.Context(), http.MethodPost, "/deploy", body); code != http.StatusOK || err != nil {
			b.Fatalf("deploy: %d %.300s %v", code, said, err)
		}
	}
	return s
}

// asks gives a function that gets a path of the default group, over one connection.
func asks(b *testing.B, s *server.Server, path string) func() {
	b.Helper()
	token, err := os.ReadFile(filepath.Join(s.Data(), "admin-token"))
	if err != nil {
		b.Fatal(err)
	}
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+s.HTTPAddr()+server.Scope+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	return func() {
		b.Helper()
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		defer got.Body.Close()
		if body, err := io.ReadAll(got.Body); got.StatusCode != http.StatusOK || err != nil {
			b.Fatalf("%d %s %v", got.StatusCode, body, err)
		}
	}
}

// ticksPerSecond is how Linux counts processor time for programs.
const ticksPerSecond = 100

// busy is the processor time the server has spent.
func busy(b *testing.B, s *server.Server) time.Duration {
	b.Helper()
	found, err := rendezvous.Find(s.Data())
	if err != nil {
		b.Fatal(err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", found.PID))
	if err != nil {
		b.Skip("processor time is read from /proc, on Linux: ", err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest) // the third of the whole is the first here
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		b.Fatal(err1, err2)
	}
	return time.Duration(user+system) * time.Second / ticksPerSecond
}
