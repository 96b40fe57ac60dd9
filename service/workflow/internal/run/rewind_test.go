package run

import (
	"strings"
	"testing"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
)

// rewound plays a definition to its end, rewinds it, takes it through an archive as a log
// does, and lets it go on. It gives what the run was then, by action.
func rewound(t *testing.T, definition string, answers map[string]Answer, actions ...string) (*stage, map[string]Record, error) {
	t.Helper()
	s := newStage(t, definition)
	play := func(effects []Effect) {
		for len(effects) > 0 {
			e := effects[0]
			effects = effects[1:]
			if e.Kind == Call {
				a, ok := answers[e.Action.Name]
				if !ok {
					a = Answer{Status: 200, Body: "again"}
				}
				effects = append(effects, s.advance(Input{Event: Answered, At: e.At, Attempt: e.Attempt, Answer: a})...)
			}
		}
	}
	play(s.advance(Input{Event: Start}))
	if !s.s.Status.Ended() {
		t.Fatalf("the run is %s", s.s.Status)
	}
	answers = nil
	if err := s.s.Rewind(s.p, actions, s.now.UnixMicro()); err != nil {
		return s, nil, err
	}
	archive, err := s.s.Archive(func(ref record.Ref) ([]byte, error) { return s.log[ref.Off : ref.Off+ref.Len], nil })
	if err != nil {
		t.Fatal(err)
	}
	state, payloads, err := Parts(archive)
	if err != nil {
		t.Fatal(err)
	}
	at := record.Ref{At: 1, Off: uint32(len(s.log)), Len: uint32(len(payloads))}
	s.log = append(s.log, payloads...)
	for _, copyOf := range []**State{&s.s, &s.other} {
		if *copyOf, err = Adopt(state, at); err != nil {
			t.Fatal(err)
		}
	}
	play(s.advance(Input{Event: Recover}))
	by := map[string]Record{}
	s.s.Each(s.p, func(ref record.Ref) any { v, _ := s.Load(ref); return v }, func(r Record) { by[r.Name] = r })
	return s, by, nil
}

const chain = `{"actions": {
	"Count": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "n", "type": "integer", "value": 1}]}},
	"First": {"type": "Compose", "inputs": "@utcNow()", "runAfter": {"Count": ["Succeeded"]}},
	"Add": {"type": "IncrementVariable", "inputs": {"name": "n", "value": 10}, "runAfter": {"First": ["Succeeded"]}},
	"In": {"type": "Scope", "actions": {
		"Before": {"type": "Compose", "inputs": "before"},
		"Call": {"type": "Http", "inputs": {"method": "GET", "uri": "http://there", "retryPolicy": {"type": "none"}}, "runAfter": {"Before": ["Succeeded"]}},
		"Each": {"type": "Foreach", "foreach": "@range(0, 2)", "actions": {"More": {"type": "IncrementVariable", "inputs": {"name": "n", "value": 1}}}, "runAfter": {"Call": ["Succeeded"]}}}, "runAfter": {"Add": ["Succeeded"]}},
	"Use": {"type": "Compose", "inputs": "@concat(string(body('Call')), ' ', string(variables('n')))", "runAfter": {"In": ["Succeeded"]}}}}`

// A run that failed at a call is repeated from there: what came before is not done again,
// the scope around it goes on, and what follows follows.
func TestRewind(t *testing.T) {
	s, by, err := rewound(t, chain, map[string]Answer{"Call": {Status: 400, Body: "no"}}, "Call")
	if err != nil {
		t.Fatal(err)
	}
	if s.s.Status != Succeeded || by["Call"].Status != Succeeded || by["In"].Status != Succeeded || by["Before"].Status != Succeeded || by["Each"].Repetitions != 2 {
		t.Errorf("the run is %s: %+v", s.s.Status, by)
	}
	if v, _ := s.Load(by["Use"].Outputs); v != "again 13" {
		t.Errorf("it came to %v", v)
	}
}

// One that succeeded is repeated, too: what variables were given by what is repeated is
// taken back.
func TestRewindOfASuccess(t *testing.T) {
	s, by, err := rewound(t, chain, nil, "in")
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := s.Load(by["Use"].Outputs); s.s.Status != Succeeded || v != "again 13" {
		t.Errorf("%s: %v", s.s.Status, v)
	}
	s, by, err = rewound(t, chain, nil, "Count")
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := s.Load(by["Use"].Outputs); s.s.Status != Succeeded || v != "again 13" {
		t.Errorf("from the first: %s: %v", s.s.Status, v)
	}
}

func TestRewindRefuses(t *testing.T) {
	set := strings.Replace(chain, `"Add": {"type": "IncrementVariable"`, `"Add": {"type": "SetVariable"`, 1)
	for _, c := range []struct {
		name, definition, action, want string
		kind                           fault.Kind
	}{
		{"none", chain, "Nothing", "no action 'Nothing'", fault.NotFound},
		{"in a loop", chain, "More", "lies in the loop 'Each'", fault.Invalid},
		{"not carried out", strings.Replace(chain, `"In": ["Succeeded"]`, `"In": ["Failed"]`, 1), "Use", "was not carried out", fault.Conflict},
		{"variable", set, "Add", "what it was before is not kept", fault.Conflict},
	} {
		if _, _, err := rewound(t, c.definition, nil, c.action); !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	s := newStage(t, chain)
	s.advance(Input{Event: Start})
	if err := s.s.Rewind(s.p, []string{"Call"}, 0); !fault.Is(err, fault.Conflict) {
		t.Errorf("a run that goes on: %v", err)
	}
}
