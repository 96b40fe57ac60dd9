package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	kernel "weir/kernel/audit"
	"weir/kernel/audit/history"
	"weir/kernel/fault"
)

// Paths of the log.
const (
	Path        = "/audit"
	EntriesPath = "/audit/entries"
	PeerPath    = "/peer/audit"
)

// Bounds of what is asked and answered.
const (
	topDefault     = 100
	pageMax        = 1000 // entries of one answer
	entriesBodyMax = 1 << 20
	answerBodyMax  = 8 << 20
)

// Handler answers those who may read the log. refuse writes a refusal.
func (l *Log) Handler(refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != Path || r.Method != http.MethodGet && r.Method != http.MethodHead {
			refuse(w, r, fault.New(fault.MethodNotAllowed, "The audit log is read with GET %s and changed by nobody.", Path))
			return
		}
		q, err := ParseQuery(r.URL.Query().Get, time.Now())
		if err != nil {
			refuse(w, r, err)
			return
		}
		found, err := l.Find(r.Context(), q)
		if err != nil {
			refuse(w, r, err)
			return
		}
		writeJSON(w, kernel.Page{Entries: nonNil(found)})
	})
}

// ParseQuery reads a query from named texts. Times are RFC 3339, or a duration such as 1h
// before now.
func ParseQuery(text func(name string) string, now time.Time) (history.Query, error) {
	q := history.Query{
		Location: text("location"), Outcome: kernel.Outcome(text("outcome")), Caller: text("caller"), Scope: text("scope"), Action: text("action"), Top: topDefault,
	}
	for name, into := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		given := text(name)
		if given == "" {
			continue
		}
		if d, err := time.ParseDuration(given); err == nil {
			*into = now.Add(-d)
		} else if *into, err = time.Parse(time.RFC3339, given); err != nil {
			return q, fault.New(fault.Invalid, "%s is %q: write a time as 2026-03-01T12:00:00Z, or how long ago it was as 90m.", name, given)
		}
	}
	switch q.Outcome {
	case "", kernel.Succeeded, kernel.Failed, kernel.Refused:
	default:
		return q, fault.New(fault.Invalid, "outcome is %q: it is %s, %s or %s.", string(q.Outcome), kernel.Succeeded, kernel.Failed, kernel.Refused)
	}
	if given := text("top"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 || n > pageMax {
			return q, fault.New(fault.Invalid, "top is %q: it is a number from 1 to %d.", given, pageMax)
		}
		q.Top = n
	}
	return q, nil
}

// NodeHandler takes entries of other nodes of the location.
func (l *Log) NodeHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var entries []kernel.Entry
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, entriesBodyMax)).Decode(&entries)
		if err == nil && len(entries) > pageMax {
			err = fmt.Errorf("%d entries at once", len(entries))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := l.append(r.Context(), entries); err != nil {
			http.Error(w, fault.Sentence(err), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// PeerHandler gives a paired location what was noted here.
func (l *Log) PeerHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
		if err != nil {
			http.Error(w, "after must be a number", http.StatusBadRequest)
			return
		}
		found, err := l.Find(r.Context(), history.Query{Location: l.o.Location, After: after, Oldest: true, Top: pageMax})
		if err != nil {
			http.Error(w, fault.Sentence(err), http.StatusServiceUnavailable)
			return
		}
		writeJSON(w, kernel.Page{Entries: nonNil(found)})
	})
}

func nonNil(entries []kernel.Entry) []kernel.Entry {
	if entries == nil {
		return []kernel.Entry{}
	}
	return entries
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// post gives entries to the node that owns the log.
func post(ctx context.Context, way http.RoundTripper, entries []kernel.Entry) error {
	body, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	_, err = ask(ctx, way, http.MethodPost, EntriesPath, body)
	return err
}

// fetch reads a page of another location's log.
func fetch(ctx context.Context, way http.RoundTripper, after uint64) ([]kernel.Entry, error) {
	data, err := ask(ctx, way, http.MethodGet, PeerPath+"?after="+strconv.FormatUint(after, 10), nil)
	if err != nil {
		return nil, err
	}
	var page kernel.Page
	err = json.Unmarshal(data, &page)
	return page.Entries, err
}

func ask(ctx context.Context, way http.RoundTripper, method, target string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://owner"+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	answer, err := way.RoundTrip(r)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The node that keeps the audit log could not be reached.")
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, answerBodyMax))
	if err != nil || answer.StatusCode >= 300 {
		return nil, fault.Wrap(fault.Unavailable, fmt.Errorf("status %d: %s: %w", answer.StatusCode, data, err), "The node that keeps the audit log did not take it.")
	}
	return data, nil
}
