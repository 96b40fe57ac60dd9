package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/conformance/server"
)

// runWithin bounds one run on a node.
const runWithin = 30 * time.Second

// standIn answers for everything that the definitions call.
type standIn struct {
	http  *http.Server
	base  string
	mu    sync.Mutex
	flows map[string]*madeUp // by the name of the workflow
}

func newStandIn() (*standIn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &standIn{base: "http://" + l.Addr().String(), flows: map[string]*madeUp{}}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go s.http.Serve(l)
	return s, nil
}

// ServeHTTP answers /workflow/action[/subscribe|/unsubscribe].
func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	if parts[0] == standInConnection {
		// Whatever the path: the node says which action of which workflow it calls for.
		parts = []string{r.Header.Get("x-ms-workflow-name"), url.PathEscape(r.Header.Get("x-ms-workflow-operation-name"))}
	}
	if len(parts) < 2 {
		http.Error(w, "no such stand-in", http.StatusNotFound)
		return
	}
	name, _ := url.PathUnescape(parts[1])
	s.mu.Lock()
	m := s.flows[parts[0]]
	s.mu.Unlock()
	if m == nil || m.Actions[name] == nil {
		http.Error(w, "no such stand-in", http.StatusNotFound)
		return
	}
	if len(parts) > 2 {
		if parts[2] == "subscribe" {
			var asked struct{ Callback string }
			_ = json.NewDecoder(r.Body).Decode(&asked)
			go s.callBack(asked.Callback, m.Actions[name])
		}
		return
	}
	give(m.Actions[name], w.Header(), w.WriteHeader, w)
}

// callBack calls what subscribed.
func (s *standIn) callBack(to string, outputs node) {
	var body bytes.Buffer
	header := http.Header{}
	give(outputs, header, func(int) {}, &body)
	req, err := http.NewRequest(http.MethodPost, to, &body)
	if err != nil {
		return
	}
	req.Header = header
	client := &http.Client{Timeout: runWithin}
	if resp, err := client.Do(req); err == nil {
		resp.Body.Close()
	}
}

// framing are headers that say how an answer is sent, so that they cannot be made up.
var framing = []string{"content-length", "transfer-encoding", "connection", "date", "content-encoding"}

// member gives a member in any case.
func member(o node, name string) any {
	for k, v := range o {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

// give writes outputs as an answer.
func give(outputs node, header http.Header, status func(int), w io.Writer) {
	if h, ok := member(outputs, "headers").(node); ok {
		for name, v := range h {
			if text, ok := v.(string); ok && !slices.Contains(framing, strings.ToLower(name)) {
				header.Set(name, text)
			}
		}
	}
	body := member(outputs, "body")
	data := mustJSON(body)
	header.Set("Content-Type", "application/json")
	switch b := body.(type) {
	case string:
		data = []byte(b)
		header.Set("Content-Type", "text/plain; charset=utf-8")
	case node:
		if content, ok := b["$content"].(string); ok {
			if raw, err := base64.StdEncoding.DecodeString(content); err == nil {
				data = raw
				header.Set("Content-Type", "application/octet-stream")
			}
		}
	}
	code := http.StatusOK
	if n, ok := member(outputs, "statusCode").(float64); ok {
		code = int(n)
	}
	status(code)
	_, _ = w.Write(data)
}

// onNode is how a definition went on a real node.
type onNode struct {
	played
	Node string // the run's status there
	Why  string `json:",omitempty"`
}

// playOnNode deploys definitions to a real node, starts a run of each and compares its
// end with that of the rehearsal. Those that a rehearsal did not bring to an end are left
// out.
func playOnNode(weir, work string, all []played) ([]onNode, error) {
	stand, err := newStandIn()
	if err != nil {
		return nil, err
	}
	defer stand.http.Close()
	srv, err := server.New(server.Options{Binary: weir, Dir: filepath.Join(work, "node")})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := srv.Start(ctx); err != nil {
		return nil, err
	}
	defer srv.Stop()
	for typ, properties := range map[string]node{
		"customApis":  {"backendService": node{"serviceUrl": stand.base + "/" + standInConnection}},
		"connections": {"api": node{"id": "/providers/Microsoft.Web/managedApis/" + standInConnection}},
	} {
		code, body, err := srv.Ask(ctx, http.MethodPut, server.Scope+"/providers/Microsoft.Web/"+typ+"/"+standInConnection+"?api-version=2016-06-01", mustJSON(node{"properties": properties}))
		if err != nil || code >= 300 {
			return nil, fmt.Errorf("declare the connection of the stand-in: %d %s %w", code, clip(body), orNil(err))
		}
	}
	var out []onNode
	left := map[string]int{}
	for i, p := range all {
		if p.MadeUp == nil || p.Verdict != "succeeded" && p.Verdict != "as written" {
			continue
		}
		if why := beyond(p.MadeUp); why != "" {
			left[why]++
			continue
		}
		one := onNode{played: p}
		one.MadeUp = nil
		one.Node, err = playOne(ctx, srv, stand, fmt.Sprintf("w%04d", i), p.MadeUp)
		if err != nil {
			one.Why = err.Error()
		}
		out = append(out, one)
	}
	for why, n := range left {
		fmt.Fprintf(os.Stderr, "%d left out: %s\n", n, why)
	}
	return out, nil
}

func playOne(ctx context.Context, srv *server.Server, stand *standIn, name string, m *madeUp) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, runWithin)
	defer cancel()
	stand.mu.Lock()
	stand.flows[name] = m
	stand.mu.Unlock()
	d := staged(m, stand.base+"/"+name)
	resource := mustJSON(node{"location": "local", "tags": tags, "properties": node{"definition": d, "parameters": m.values()}})
	code, body, err := srv.Ask(ctx, http.MethodPut, server.WorkflowID(name)+"?api-version=2019-05-01", resource)
	if err != nil || code >= 300 {
		return "refused", fmt.Errorf("%d %s %w", code, clip(body), orNil(err))
	}
	trigger := ""
	for t := range d["triggers"].(node) {
		if trigger == "" || t < trigger {
			trigger = t
		}
	}
	at, err := srv.Callback(ctx, name, trigger)
	if err != nil {
		return "no address", err
	}
	at = relative(at, m.Trigger["relativePathParameters"])
	if err := start(ctx, srv, at, m.Trigger); err != nil {
		return "not started", err
	}
	for {
		runs, err := srv.Runs(ctx, name, "")
		if err != nil {
			return "unknown", err
		}
		if len(runs) > 0 && runs[0].Properties.EndTime != "" {
			return runs[0].Properties.Status, explain(ctx, srv, name, runs[0])
		}
		select {
		case <-ctx.Done():
			return "not ended", ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func orNil(err error) error {
	if err == nil {
		return fmt.Errorf("refused")
	}
	return err
}

func clip(b []byte) string { return string(b[:min(len(b), 600)]) }

// start calls a trigger with what was made up for it.
func start(ctx context.Context, srv *server.Server, at string, trigger node) error {
	var body bytes.Buffer
	header := http.Header{}
	outputs := node{"body": member(trigger, "body"), "headers": member(trigger, "headers")}
	give(outputs, header, func(int) {}, &body)
	if outputs["body"] == nil {
		body.Reset()
		header.Del("Content-Type")
	}
	if q, ok := trigger["queries"].(node); ok {
		for name, v := range q {
			at += "&" + url.QueryEscape(name) + "=" + url.QueryEscape(fmt.Sprint(v))
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+srv.HTTPAddr()+at, &body)
	if err != nil {
		return err
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if resp.Header.Get("x-ms-workflow-run-id") == "" {
		return fmt.Errorf("the trigger answered %d %s", resp.StatusCode, clip(answer))
	}
	return nil
}

// explain names the actions of a run that failed.
func explain(ctx context.Context, srv *server.Server, name string, r server.Run) error {
	if r.Properties.Status == "Succeeded" {
		return nil
	}
	code, body, err := srv.Ask(ctx, http.MethodGet, server.WorkflowID(name)+"/runs/"+r.Name+"/actions?api-version=2019-05-01", nil)
	if err != nil || code >= 300 {
		return fmt.Errorf("its actions: %d %w", code, orNil(err))
	}
	var list struct {
		Value []struct {
			Name       string
			Properties struct {
				Status, Code string
				Error        struct{ Code, Message string }
			}
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	var why []string
	for _, a := range list.Value {
		if a.Properties.Status == "Failed" || a.Properties.Status == "TimedOut" {
			why = append(why, fmt.Sprintf("%s: %s %s", a.Name, a.Properties.Code, a.Properties.Error.Message))
		}
	}
	return fmt.Errorf("%s %s", r.Properties.Code, strings.Join(why, "; "))
}

// printOnNode prints what went otherwise than in the rehearsal and says whether nothing
// did.
func printOnNode(w io.Writer, all []onNode) bool {
	same := 0
	for _, p := range all {
		if p.Node == p.Status {
			same++
			continue
		}
		fmt.Fprintf(w, "%s: %s in the rehearsal, %s on the node: %s\n", p.File, p.Status, p.Node, p.Why)
	}
	fmt.Fprintf(w, "\n%d definitions played on a node; %d ended as in the rehearsal, %d did not\n", len(all), same, len(all)-same)
	return same == len(all)
}

// onlyReal keeps a limit of definitions, spread over all.
func onlyReal(all []played, most int) []played {
	if most <= 0 || len(all) <= most {
		return all
	}
	var out []played
	for i := range most {
		out = append(out, all[i*len(all)/most])
	}
	return out
}
