package ballot

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"weir/kernel/ballot/core"
)

// bodyBytesMax bounds a request and an answer.
const bodyBytesMax = 16 << 10

// paper is a request or an answer as JSON; times are milliseconds.
type paper struct {
	Group    string `json:"group,omitempty"`
	Location string `json:"location,omitempty"`
	Want     string `json:"want,omitempty"`
	Term     uint64 `json:"term"`
	ForMs    int64  `json:"forMs,omitempty"`
	To       string `json:"to,omitempty"`

	Granted bool   `json:"granted"`
	Holder  string `json:"holder,omitempty"`
	LeftMs  int64  `json:"leftMs,omitempty"`
	Reason  string `json:"reason,omitempty"`

	Error *paperError `json:"error,omitempty"`
}

type paperError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Handler answers requests of locations that know the secret: POST with a JSON body
// {group, location, want: look|hold|pass, term, forMs, to}, answered with {granted,
// term, holder, leftMs, reason}. Errors are {error: {code, message}}.
func Handler(v Voter, secret string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "Ask a voter with POST.")
			return
		case secret == "" || subtle.ConstantTimeCompare([]byte(given), []byte(secret)) != 1:
			refuse(w, http.StatusUnauthorized, "Unauthorized", "The voter was asked without its secret: Authorization: Bearer SECRET.")
			return
		}
		var p paper
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
		if err == nil {
			err = json.Unmarshal(body, &p)
		}
		if err != nil || p.Group == "" {
			refuse(w, http.StatusBadRequest, "InvalidRequest", "The body is no request to a voter: write JSON with group, location, want, term, forMs.")
			return
		}
		a, err := v.Ask(r.Context(), p.Group, Request{
			Location: p.Location, Verb: core.Verb(p.Want), Term: p.Term, For: time.Duration(p.ForMs) * time.Millisecond, To: p.To,
		})
		if err != nil {
			refuse(w, http.StatusServiceUnavailable, "Unavailable", "The voter can not keep ballots at the moment: "+err.Error())
			return
		}
		write(w, http.StatusOK, paper{Granted: a.Granted, Term: a.Term, Holder: a.Holder, LeftMs: a.Left.Milliseconds(), Reason: a.Reason})
	})
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	write(w, status, paper{Error: &paperError{code, message}})
}

func write(w http.ResponseWriter, status int, p paper) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p)
}

// Remote is a voter behind HTTP.
type Remote struct {
	URL    string // of its Handler
	Secret string
	Client *http.Client
}

// Ask implements Voter.
func (v Remote) Ask(ctx context.Context, group string, r Request) (Answer, error) {
	body, err := json.Marshal(paper{
		Group: group, Location: r.Location, Want: string(r.Verb), Term: r.Term, ForMs: r.For.Milliseconds(), To: r.To,
	})
	if err != nil {
		return Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.URL, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+v.Secret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := v.Client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, bodyBytesMax))
	if err != nil {
		return Answer{}, err
	}
	var p paper
	err = json.Unmarshal(text, &p)
	switch {
	case p.Error != nil:
		return Answer{}, fmt.Errorf("the voter at %s refused: %s", v.URL, p.Error.Message)
	case err != nil || resp.StatusCode != http.StatusOK:
		return Answer{}, fmt.Errorf("what answers at %s is no voter (status %d)", v.URL, resp.StatusCode)
	}
	return Answer{Granted: p.Granted, Term: p.Term, Holder: p.Holder, Left: time.Duration(p.LeftMs) * time.Millisecond, Reason: p.Reason}, nil
}
