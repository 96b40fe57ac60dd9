package go_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

// TestHTTPKilled kills the server twice while programs send and take over HTTP: what was
// acknowledged is there, and what was taken and settled does not come again. A message
// whose answer was lost may be there or not.
func TestHTTPKilled(t *testing.T) {
	const senders, kills = 4, 2
	srv := servertest.Start(t, append([]server.Resource{server.Queue("killed", nil)}, keys...))
	s := newStage(t, srv)
	auth := token("http://"+srv.Addr()+"/", "All", allKey, time.Now().Add(time.Hour))
	try := func(method, address, body string) *http.Response {
		r, err := http.NewRequestWithContext(s.ctx, method, address, strings.NewReader(body))
		if err != nil {
			return nil
		}
		r.Header.Set("Authorization", auth)
		r.Header.Set("BrokerProperties", fmt.Sprintf(`{"MessageId":%q}`, body))
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil
		}
		answer.Body.Close()
		return answer
	}
	at := "http://" + srv.Addr() + "/killed/messages"
	var mu sync.Mutex
	sent, settled := map[string]bool{}, map[string]bool{}
	progress := make(chan struct{}, 1000) // one for each message that was taken; more are not counted
	stop := make(chan struct{})
	var running sync.WaitGroup
	for n := range senders {
		running.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("%d-%d", n, i)
				if a := try("POST", at, id); a != nil && a.StatusCode == 201 {
					mu.Lock()
					sent[id] = true
					mu.Unlock()
				}
			}
		})
	}
	// take takes one message and settles it.
	take := func() {
		a := try("POST", at+"/head?timeout=1", "")
		if a == nil || a.StatusCode != 201 {
			return
		}
		id := s.brokerProperties(a.Header).MessageID
		mu.Lock()
		again := settled[id]
		mu.Unlock()
		if again {
			t.Errorf("%s was settled and came again", id)
		}
		if done := try("DELETE", a.Header.Get("Location"), ""); done != nil && done.StatusCode == 200 {
			mu.Lock()
			settled[id] = true
			mu.Unlock()
			select {
			case progress <- struct{}{}:
			default:
			}
		}
	}
	running.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				take()
			}
		}
	})
	for range kills {
		for range 50 {
			select {
			case <-progress:
			case <-s.ctx.Done():
				t.Fatal("no messages pass")
			}
		}
		s.must(srv.Kill())
		s.must(srv.Start(s.ctx))
	}
	close(stop)
	running.Wait()
	left := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for id := range sent {
			if !settled[id] {
				n++
			}
		}
		return n
	}
	for left() > 0 && s.ctx.Err() == nil {
		take() // which waits a second when there is none
	}
	if n := left(); n > 0 {
		t.Errorf("%d of %d acknowledged messages are gone", n, len(sent))
	}
	t.Logf("%d sent, %d taken", len(sent), len(settled))
}
