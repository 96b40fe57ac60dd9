package standin

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"weir/conformance/torture/ledger"
)

// raised is a stand-in that answers, and where.
func raised(t *testing.T, o Options) (*Service, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(o)
	s.Serve(l)
	t.Cleanup(s.Stop)
	return s, "http://" + l.Addr().String()
}

func do(t *testing.T, method, url string, attempt int) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(KeyHeader, "key")
	req.Header.Set(AttemptHeader, fmt.Sprint(attempt))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp, string(body)
}

func TestCallsAreWrittenDown(t *testing.T) {
	s, at := raised(t, Options{})
	if resp, body := do(t, "POST", at+"/call/w/a?token=t&run=r&item=3", 2); resp == nil || resp.StatusCode != 200 || body != `{"token":"t","item":"3","run":"r"}` {
		t.Errorf("%v %s", resp, body)
	}
	calls := s.Calls()
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	c := calls[0]
	want := ledger.Call{Workflow: "w", Token: "t", Run: "r", Action: "a", Item: "3", Key: "key", Attempt: 2, At: 1, End: 2, Wall: c.Wall, Said: ledger.Done}
	if c != want {
		t.Errorf("%+v instead of %+v", c, want)
	}
	if resp, _ := do(t, "POST", at+"/call/bench", 1); resp == nil || resp.StatusCode != 200 || s.Quick() != 1 || s.Count() != 1 {
		t.Errorf("%v, %d quick, %d written down", resp, s.Quick(), s.Count())
	}
	if do(t, "PUT", at+"/nowhere", 1); s.Odd()["PUT /nowhere"] != 1 {
		t.Errorf("%v", s.Odd())
	}
}

func TestFaults(t *testing.T) {
	s, at := raised(t, Options{Failing: 1000})
	if resp, _ := do(t, "POST", at+"/call/w/a", 1); resp == nil || resp.StatusCode != 500 || s.Calls()[0].Said != ledger.Failed {
		t.Errorf("%v %+v", resp, s.Calls())
	}
	s, at = raised(t, Options{Dropping: 1000, Slow: 1000, SlowMost: time.Millisecond})
	if resp, _ := do(t, "POST", at+"/call/w/a", 1); resp != nil || s.Calls()[0].Said != ledger.Lost {
		t.Errorf("%v %+v", resp, s.Calls())
	}
}

func TestWorkThatGoesOn(t *testing.T) {
	s, at := raised(t, Options{})
	resp, _ := do(t, "POST", at+"/slow/w/a?token=t", 1)
	if resp == nil || resp.StatusCode != 202 {
		t.Fatalf("%v", resp)
	}
	where, asks := resp.Header.Get("Location"), 0
	for resp.StatusCode == 202 && asks < 10 {
		resp, _ = do(t, "GET", where, 0)
		asks++
	}
	if resp.StatusCode != 200 || asks < 2 || s.Count() != 1 {
		t.Errorf("%v after %d asks, %d calls", resp, asks, s.Count())
	}
}

func TestItemsStay(t *testing.T) {
	s, at := raised(t, Options{})
	if resp, _ := do(t, "GET", at+"/items/x?after=0", 0); resp == nil || resp.StatusCode != 202 || resp.Header.Get("Location") != at+"/items/x?after=0" {
		t.Errorf("%v", resp)
	}
	s.Offer("x", itemsMax+2)
	for range 2 {
		resp, body := do(t, "GET", at+"/items/x?after=2", 0)
		if resp == nil || resp.StatusCode != 200 || resp.Header.Get("Location") != fmt.Sprintf("%s/items/x?after=%d", at, itemsMax+2) || body[:26] != `[{"n":3,"token":"x-3"},{"n` {
			t.Errorf("%v %s", resp, body)
		}
	}
	if resp, _ := do(t, "GET", at+"/items/x?after=y", 0); resp == nil || resp.StatusCode != 400 {
		t.Errorf("%v", resp)
	}
}

// A callback is tried until it is taken.
func TestHooksAreCalledBack(t *testing.T) {
	taken, tries := make(chan string), 0
	s, at := raised(t, Options{Call: func(url string, body []byte) (int, string, error) {
		if tries++; tries < 3 {
			return 503, "", nil
		}
		taken <- url + " " + string(body)
		return 200, "", nil
	}})
	if resp, _ := do(t, "POST", at+"/hook/w/a?token=t&callback=http%3A%2F%2Fthere", 1); resp == nil || resp.StatusCode != 200 {
		t.Fatalf("%v", resp)
	}
	if resp, _ := do(t, "POST", at+"/leave/w/b?token=t", 1); resp == nil || resp.StatusCode != 200 || s.Calls()[1].Key != "key leave" {
		t.Errorf("%v %+v", resp, s.Calls())
	}
	select {
	case what := <-taken:
		if what != `http://there {"token":"t"}` {
			t.Error(what)
		}
	case <-time.After(20 * time.Second):
		t.Error("never called back")
	}
}
