package standin

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"

	"weir/conformance/torture/ledger"
)

// later is a call whose work goes on after its answer.
type later struct {
	asks int // that are answered with "not yet"
	call ledger.Call
}

// begin accepts a call and says where to ask whether it is done.
func (s *Service) begin(w http.ResponseWriter, r *http.Request) {
	c, done := s.answers(w, r)
	if !done {
		return
	}
	s.said(c, ledger.Done)
	s.mu.Lock()
	id := fmt.Sprint(len(s.slow) + 1)
	s.slow[id] = &later{asks: 1 + s.random.IntN(2), call: *c}
	s.mu.Unlock()
	w.Header().Set("Location", fmt.Sprintf("http://%s/slow/%s", r.Host, id))
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusAccepted)
}

// ask says whether a call is done.
func (s *Service) ask(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	l := s.slow[r.PathValue("id")]
	done := false
	if l != nil {
		l.asks--
		done = l.asks < 0
	}
	s.mu.Unlock()
	switch {
	case l == nil:
		s.wrong("an ask for " + r.URL.Path)
		http.NotFound(w, r)
	case !done:
		w.Header().Set("Location", fmt.Sprintf("http://%s%s", r.Host, r.URL.Path))
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusAccepted)
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"token":%q}`, l.call.Token)
	}
}

// How long a subscriber waits at most for its callback, how long the stand-in waits
// between two tries, and how often it tries.
const (
	hookMost  = 2 * time.Second
	hookPause = 200 * time.Millisecond
	hookTries = 1500
	// A callback that nobody knows may be of a subscription that was made twice, or of a run
	// that is brought back from another location in a while.
	hookUnknown = 90
)

// hook takes a subscription and calls it back.
func (s *Service) hook(w http.ResponseWriter, r *http.Request) {
	callback := r.URL.Query().Get("callback")
	if callback == "" {
		s.wrong(r.URL.Path + " without a callback")
	}
	c, done := s.answers(w, r)
	if !done {
		return
	}
	s.mu.Lock()
	after := time.Duration(s.random.Int64N(int64(hookMost)))
	s.mu.Unlock()
	s.said(c, ledger.Done)
	token := c.Token
	s.hooks.Go(func() { s.callBack(callback, token, after) })
	w.WriteHeader(http.StatusOK)
}

// leave ends a subscription. It is another half of the same action, so it has the same key.
func (s *Service) leave(w http.ResponseWriter, r *http.Request) {
	c := s.record(r)
	s.mu.Lock()
	c.Key += " leave"
	s.mu.Unlock()
	s.said(c, ledger.Done)
	w.WriteHeader(http.StatusOK)
}

// callBack calls until somebody takes it, or says that nobody waits for it any more.
func (s *Service) callBack(url, token string, after time.Duration) {
	call := s.options.Call
	if call == nil {
		call = post
	}
	pause := time.NewTimer(after)
	defer pause.Stop()
	unknown := 0
	for range hookTries {
		select {
		case <-s.done:
			return
		case <-pause.C:
		}
		status, answer, err := call(url, fmt.Appendf(nil, `{"token":%q}`, token))
		switch {
		case err == nil && status < 300:
			return
		case err == nil && (status == http.StatusNotFound || status == http.StatusConflict || status == http.StatusGone):
			if unknown++; unknown == hookUnknown {
				return
			}
			pause.Reset(time.Second)
			continue
		case err == nil && status < 500 && status != http.StatusTooManyRequests:
			s.wrong(fmt.Sprintf("a callback was answered %d %.200s", status, answer))
		}
		pause.Reset(hookPause)
	}
	s.wrong("a callback that nobody took")
}

func post(url string, body []byte) (int, string, error) {
	resp, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, bodyBytesMax))
	return resp.StatusCode, string(answer), err
}
