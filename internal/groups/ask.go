package groups

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	answerBytesMax = 64 << 20
	requestTimeout = time.Minute
)

// Location is a location that can be asked.
type Location struct {
	Name  string   // what it calls itself; empty: whatever answers will do
	Admin []string // URLs of its nodes' HTTP doors, tried in turn
	Doors []string // HOST:PORT of its nodes that clients use
	Token string   // administration token
	// Client is used when it is set; it should bound its requests.
	Client *http.Client
}

// Refused is an answer that says no.
type Refused struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (r *Refused) Error() string {
	if r.Message == "" {
		return "the server answered " + http.StatusText(r.Status)
	}
	return r.Message
}

var boundedClient = &http.Client{Timeout: requestTimeout}

// Do asks the location, the next node when one can not be reached, and decodes the
// answer; nil takes none. It fails with a *Refused when a node answered no.
func (l *Location) Do(ctx context.Context, method, path string, body, result any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	err := errors.New("no address is known")
	for _, base := range l.Admin {
		if err = l.ask(ctx, strings.TrimSuffix(base, "/")+path, method, text, result); err == nil {
			return nil
		}
		var refused *Refused
		if errors.As(err, &refused) || ctx.Err() != nil {
			return err
		}
	}
	return fmt.Errorf("reach the location %s: %w", l.Name, err)
}

func (l *Location) ask(ctx context.Context, url, method string, body []byte, result any) error {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if l.Token != "" {
		r.Header.Set("Authorization", "Bearer "+l.Token)
	}
	r.Header.Set("Content-Type", "application/json")
	client := l.Client
	if client == nil {
		client = boundedClient
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		var said struct {
			Error Refused `json:"error"`
		}
		_ = json.Unmarshal(data, &said) // anything else has no message
		said.Error.Status = answer.StatusCode
		return &said.Error
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(data, result); err != nil {
		return fmt.Errorf("%s answered something else than a location would: %w", url, err)
	}
	return nil
}

func groupPath(group string) string { return Path + "/" + url.PathEscape(group) }

// List asks for all groups, without their voters.
func (l *Location) List(ctx context.Context) (List, error) {
	var all List
	err := l.Do(ctx, http.MethodGet, Path, nil, &all)
	if err == nil && l.Name != "" && all.Location != l.Name {
		err = fmt.Errorf("the location at %s is %q, not %q", strings.Join(l.Admin, ", "), all.Location, l.Name)
	}
	return all, err
}

// Show asks for one group.
func (l *Location) Show(ctx context.Context, group string) (Status, error) {
	var s Status
	return s, l.Do(ctx, http.MethodGet, groupPath(group), nil, &s)
}

// Switch moves a group to a location, losing nothing.
func (l *Location) Switch(ctx context.Context, group, to string) (Change, error) {
	var c Change
	return c, l.Do(ctx, http.MethodPost, groupPath(group)+"/switch", map[string]any{"to": to}, &c)
}

// Expect asks what Promote would lose, and changes nothing.
func (l *Location) Expect(ctx context.Context, group string) (Expected, error) {
	var e Expected
	return e, l.Do(ctx, http.MethodPost, groupPath(group)+"/promote", map[string]any{"dryRun": true}, &e)
}

// Promote makes this location the primary without the other one. force goes on without
// a majority of the voters.
func (l *Location) Promote(ctx context.Context, group string, force bool) (Change, error) {
	var c Change
	return c, l.Do(ctx, http.MethodPost, groupPath(group)+"/promote", map[string]any{"force": force}, &c)
}

// Isolate keeps this location's part of a group away from the other location and from
// the voters for a while, as a broken line would; 0 ends that.
func (l *Location) Isolate(ctx context.Context, group string, d time.Duration) error {
	return l.Do(ctx, http.MethodPost, groupPath(group)+"/isolate", map[string]any{"seconds": d.Seconds()}, nil)
}

// Salvaged is what became of the tail of a former primary.
type Salvaged struct {
	Choice string `json:"choice,omitempty"` // empty: nothing was done yet
	Tally  Tally  `json:"tally"`
	Rows   []Row  `json:"rows,omitempty"`
	// Files are where the location keeps the rows with their bodies: a ledger for each unit.
	Files  []string `json:"files,omitempty"`
	Change *Change  `json:"change,omitempty"`
}

// Tail asks a former primary what it has alone: at most rows of it, and counts all.
func (l *Location) Tail(ctx context.Context, group string, rows int) (Salvaged, error) {
	var s Salvaged
	return s, l.Do(ctx, http.MethodGet, fmt.Sprintf("%s/salvage?rows=%d", groupPath(group), rows), nil, &s)
}

// Salvage has a former primary bring back what it has alone, or give it up, and follow
// the present primary. resent also brings back messages whose senders seem to have
// sent them again.
func (l *Location) Salvage(ctx context.Context, group, choice string, resent bool) (Salvaged, error) {
	var s Salvaged
	return s, l.Do(ctx, http.MethodPost, groupPath(group)+"/salvage", map[string]any{"choice": choice, "resent": resent}, &s)
}
