package run

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/kernel/journal/record"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/expression"
)

var update = flag.Bool("update", false, "write the answers of the script tests anew")

var dawn = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// planOf compiles a definition: an object with actions and what else it has.
func planOf(t testing.TB, text string) *Plan {
	t.Helper()
	v, err := document.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d, problems := definition.Read(definition.Wrapped{Value: v, Path: document.Root, Host: definition.Standard}, definition.Settings{})
	for _, p := range problems {
		if p.Severity == definition.Error {
			t.Fatalf("the definition is wrong: %s", p)
		}
	}
	return Compile(d)
}

const schemaLine = `"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0", `

// whole adds what every definition has.
func wholeOf(body string) string {
	body = strings.TrimPrefix(strings.TrimSpace(body), "{")
	if !strings.Contains(body, `"triggers"`) {
		body = `"triggers": {"in": {"type": "Request", "kind": "Http", "inputs": {}}}, ` + body
	}
	return "{" + schemaLine + body
}

// stage is where a run is played: its state, what others folded, and its log.
type stage struct {
	t     testing.TB
	p     *Plan
	s     *State
	other *State
	log   []byte // payloads, one after another
	facts []*Fact
	now   time.Time
	out   []string
}

func (s *stage) Load(ref record.Ref) (any, error) {
	return expression.ParseJSON(string(s.log[ref.Off : ref.Off+ref.Len]))
}

func (s *stage) env() *Env {
	return &Env{Now: s.now, Random: 42, Run: "08584640926573727105946217888CU00", Values: s, Workflow: expression.NewObject("name", "orders", "run", expression.NewObject("name", "08584640926573727105946217888CU00")),
		CallbackURL: func(_ Place, key string) string { return "https://here.example/" + key[:8] }}
}

func newStage(t testing.TB, definition string) *stage {
	return &stage{t: t, p: planOf(t, wholeOf(definition)), s: &State{}, other: &State{}, now: dawn}
}

// advance gives an input and all that is left to do after it, and keeps the facts as a
// log does: encoded, and read again.
func (s *stage) advance(in Input) []Effect {
	var all []Effect
	for {
		o := Advance(s.s, s.p, s.env(), in)
		if o.Err != nil {
			s.t.Fatal(o.Err)
		}
		s.record(o.Facts)
		all = append(all, o.Effects...)
		if !o.More {
			return all
		}
		in = Input{Event: Go}
	}
}

func (s *stage) record(facts []*Fact) {
	head, payload := Append(nil, nil, facts)
	base := record.Ref{At: 1, Off: uint32(len(s.log)), Len: uint32(len(payload))}
	s.log = append(s.log, payload...)
	read, err := Read(head, base)
	if err != nil {
		s.t.Fatal(err)
	}
	for k, f := range read {
		s.s.Settle(facts[k], f)
		if err := s.other.Fold(s.now.UnixMicro(), f); err != nil {
			s.t.Fatal(err)
		}
		s.facts = append(s.facts, f)
	}
}

// find gives the place of an action: Name, or Name[3,0] of an iteration.
func (s *stage) find(text string) Place {
	name, path, _ := strings.Cut(strings.TrimSuffix(text, "]"), "[")
	var where Place
	found := false
	for _, f := range s.s.frames {
		for k := range f.instances {
			i := &f.instances[k]
			m := &machine{s: s.s, p: s.p, e: s.env()}
			if s.p.Name(i.node) == name && strings.Trim(strings.ReplaceAll(fmt.Sprint(m.path(i)), " ", ","), "[]") == path {
				where, found = i.place(), true
			}
		}
	}
	if !found {
		s.t.Fatalf("there is no %s", text)
	}
	return where
}

func (s *stage) tell(format string, args ...any) { s.out = append(s.out, fmt.Sprintf(format, args...)) }

func jsonOf(v any) string { return string(expression.AppendJSON(nil, v)) }

func name(a *definition.Action, path []int32) string {
	if len(path) == 0 {
		return a.Name
	}
	return a.Name + strings.ReplaceAll(fmt.Sprint(path), " ", ",")
}

func (s *stage) tellEffects(all []Effect) {
	for _, e := range all {
		switch e.Kind {
		case Call, Subscribe, Unsubscribe:
			at := ""
			if e.URL != "" {
				at = " at " + e.URL
			}
			s.tell("%s %s, attempt %d%s: %s", map[EffectKind]string{Call: "call", Subscribe: "subscribe", Unsubscribe: "unsubscribe"}[e.Kind], name(e.Action, e.Path), e.Attempt, at, jsonOf(e.Inputs))
			if e.Context != nil {
				s.tell("  it sees %s", jsonOf(e.Context))
			}
		case Poll:
			s.tell("poll %s at %s with what was called: %s", name(e.Action, e.Path), e.URL, jsonOf(e.Inputs))
		case Abort:
			s.tell("abort %s", name(e.Action, e.Path))
		case Reply:
			s.tell("reply %d %s %s", e.Status, jsonOf(e.Headers), jsonOf(e.Body))
		case End:
			s.tell("ended %s %s", s.s.Status, s.s.Code)
			if s.s.Outputs.Len > 0 {
				v, _ := s.Load(s.s.Outputs)
				s.tell("outputs %s", jsonOf(v))
			}
			if s.s.Error.Len > 0 {
				v, _ := s.Load(s.s.Error)
				s.tell("error %s", jsonOf(v))
			}
		}
	}
}

func (s *stage) show() {
	load := func(ref record.Ref) any { v, _ := s.Load(ref); return v }
	s.s.Each(s.p, load, func(r Record) {
		line := fmt.Sprintf("  %s %s %s", name(s.p.Action(r.Node), r.Path), r.Status, r.Code)
		if r.Repetitions > 0 {
			line += fmt.Sprintf(" x%d", r.Repetitions)
		}
		if r.Retries > 0 {
			line += fmt.Sprintf(" retries %d", r.Retries)
		}
		if r.Outputs.Len > 0 {
			line += " " + jsonOf(load(r.Outputs))
		}
		if r.HideInputs || r.HideOutputs {
			line += fmt.Sprintf(" (hidden: inputs %t, outputs %t)", r.HideInputs, r.HideOutputs)
		}
		s.tell("%s", line)
		if r.Error != nil {
			code, _ := r.Error.Get("code")
			message, _ := r.Error.Get("message")
			s.tell("    %v: %v", code, message)
		}
	})
}

// say plays one line: TIME VERB ...
func (s *stage) say(line string) []string {
	s.out = nil
	at, rest, _ := strings.Cut(line, " ")
	d, err := time.ParseDuration(at)
	if err != nil {
		s.t.Fatalf("%q: %v", line, err)
	}
	s.now = dawn.Add(d)
	verb, rest, _ := strings.Cut(rest, " ")
	parse := func(text string) any {
		if strings.TrimSpace(text) == "" {
			return nil
		}
		v, err := expression.ParseJSON(text)
		if err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		return v
	}
	place := func() Place {
		var where string
		where, rest, _ = strings.Cut(rest, " ")
		return s.find(where)
	}
	in := Input{}
	switch verb {
	case "start", "ask":
		in = Input{Event: Start, Waits: verb == "ask", Trigger: expression.NewObject("name", "in", "status", "Succeeded", "outputs", expression.NewObject("body", parse(rest)))}
	case "answer":
		in = Input{Event: Answered, At: place()}
		in.Attempt = s.s.at(in.At).more.attempt
		code, rest, _ := strings.Cut(rest, " ")
		in.Answer.Status, _ = strconv.Atoi(code)
		if strings.HasPrefix(rest, "with ") {
			headers, body, _ := strings.Cut(rest[5:], " and ")
			in.Answer.Headers, _ = parse(headers).(*expression.Object)
			rest = body
		}
		in.Answer.Body = parse(rest)
	case "late":
		in = Input{Event: Answered, At: place()}
		var code, body string
		fmt.Sscanf(rest, "%d %s %s", &in.Attempt, &code, &body)
		in.Answer.Status, _ = strconv.Atoi(code)
	case "lose":
		in = Input{Event: Answered, At: place()}
		in.Attempt = s.s.at(in.At).more.attempt
		in.Answer = Answer{Code: rest, Message: "The connection was lost.", Retryable: true}
	case "call":
		in = Input{Event: CalledBack, At: place()}
		in.Answer = Answer{Status: 200, Body: parse(rest)}
	case "repeat":
		in = Input{Event: Repeat, At: place()}
	case "show":
		s.show()
		return s.out
	default:
		events := map[string]Event{"tick": Tick, "cancel": Cancel, "left": CallerLeft, "recover": Recover, "go": Go}
		e, ok := events[verb]
		if !ok {
			s.t.Fatalf("%q: no such verb", line)
		}
		in.Event = e
	}
	s.tellEffects(s.advance(in))
	if len(s.out) == 0 {
		s.tell("ok")
	}
	if due := s.s.NextDue(); due != 0 {
		s.out[len(s.out)-1] += "; wake at " + time.UnixMicro(due).Sub(dawn).Round(time.Millisecond).String()
	}
	return s.out
}

// TestScripts plays the conversations in testdata: a definition, then lines "> TIME
// VERB" and what comes of them. Run with -update to write the answers anew, and read
// what changed. Each ends with a look at a follower, which must be in the same state.
func TestScripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no scripts")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(script))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(script) {
				t.Errorf("%s is not what happens (run with -update to see):\n%s", file, diff(string(script), got))
			}
		})
	}
}

func play(t testing.TB, script string) string {
	var out, definition strings.Builder
	var s *stage
	end := func() {
		if s != nil {
			s.agree()
		}
		s = nil
	}
	for _, line := range strings.Split(strings.TrimRight(script, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, ">"):
			if s == nil {
				s = newStage(t, definition.String())
				definition.Reset()
			}
			out.WriteString(line + "\n")
			for _, answer := range s.say(strings.TrimSpace(line[1:])) {
				out.WriteString(answer + "\n")
			}
		case strings.HasPrefix(line, "|"):
			end()
			definition.WriteString(line[1:] + "\n")
			out.WriteString(line + "\n")
		case line == "" || strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
		}
	}
	end()
	return out.String()
}

// agree checks that a follower is in the same state.
func (s *stage) agree() {
	s.t.Helper()
	if a, b := fmt.Sprintf("%x", s.s.Snapshot(nil)), fmt.Sprintf("%x", s.other.Snapshot(nil)); a != b {
		s.t.Errorf("the follower's state differs:\n%s\n%s", a, b)
	}
	restored := &State{}
	if err := restored.Restore(s.s.Snapshot(nil)); err != nil {
		s.t.Fatal(err)
	}
	if a, b := fmt.Sprintf("%x", s.s.Snapshot(nil)), fmt.Sprintf("%x", restored.Snapshot(nil)); a != b {
		s.t.Errorf("the restored state differs:\n%s\n%s", a, b)
	}
}

func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			have := "(end)"
			if i < len(g) {
				have = g[i]
			}
			return fmt.Sprintf("line %d\n- %s\n+ %s", i+1, w[i], have)
		}
	}
	return fmt.Sprintf("line %d\n+ %s", len(w)+1, g[len(w)])
}
