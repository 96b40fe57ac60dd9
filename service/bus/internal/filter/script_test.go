package filter

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// message is the Properties of the tests. Names are kept lower-case.
type message struct {
	system, user map[string]any
	ids          byte
}

func newMessage() *message {
	return &message{system: map[string]any{}, user: map[string]any{}}
}

func (m *message) System(name string) (any, bool) {
	if _, known := systemProperties[strings.ToLower(name)]; !known {
		return nil, false
	}
	return m.system[name], true
}

func (m *message) User(name string) (any, bool) {
	if v, ok := m.user[name]; ok {
		return v, true
	}
	for _, have := range sortedKeys(m.user) {
		if strings.EqualFold(have, name) {
			return m.user[have], true
		}
	}
	return nil, false
}

func (m *message) SetSystem(name string, v any) error { m.system[name] = v; return nil }

func (m *message) SetUser(name string, v any) {
	m.RemoveUser(name)
	m.user[name] = v
}

func (m *message) RemoveUser(name string) {
	for _, have := range sortedKeys(m.user) {
		if strings.EqualFold(have, name) {
			delete(m.user, have)
		}
	}
}

func (m *message) NewID() GUID { m.ids++; return GUID{15: m.ids} }

func (m *message) clone() *message {
	c := newMessage()
	for k, v := range m.system {
		c.system[k] = v
	}
	for k, v := range m.user {
		c.user[k] = v
	}
	return c
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// TestScripts plays the conversations in testdata. A line that begins with > is
// said to the package, the lines under it are its answer; -update writes them.
//
//	> message color='red' quantity=int32(5) sys.Label='L'   the message from here on
//	> parameters @p=5                                       the parameters from here on
//	> filter color = 'red'                                  evaluates
//	> tree a or b and c                                     shows the canonical form
//	> action set a = 1                                      shows the message after
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal([]byte(got), want) {
				t.Errorf("the answers in %s changed; run with -update and read the difference\n%s", file, firstDifference(string(want), got))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, w[i], g[i])
		}
	}
	return "one is longer"
}

func play(t *testing.T, script string) string {
	m, params := newMessage(), map[string]any{}
	var out strings.Builder
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		said, isCommand := strings.CutPrefix(line, "> ")
		if !isCommand {
			if line == "" || strings.HasPrefix(line, "#") {
				out.WriteString(line + "\n")
			}
			continue
		}
		out.WriteString(line + "\n")
		verb, rest, _ := strings.Cut(said, " ")
		switch verb {
		case "message":
			m = newMessage()
			readProperties(t, rest, func(name string, v any) {
				if system, ok := strings.CutPrefix(name, "sys."); ok {
					m.system[system] = v
				} else {
					m.user[name] = v
				}
			})
		case "parameters":
			params = map[string]any{}
			readProperties(t, rest, func(name string, v any) { params[name] = v })
		case "filter":
			out.WriteString(answerFilter(rest, params, m) + "\n")
		case "tree":
			out.WriteString(answerTree(rest, params) + "\n")
		case "action":
			out.WriteString(answerAction(rest, params, m) + "\n")
		default:
			t.Fatalf("unknown command %q", line)
		}
	}
	return out.String()
}

func answerFilter(sql string, params map[string]any, m *message) string {
	f, err := ParseFilter(sql, params)
	if err != nil {
		return "refused: " + err.Error()
	}
	truth, err := f.Match(m)
	if err != nil {
		return "failed: " + err.Error()
	}
	return truth.String()
}

func answerTree(sql string, params map[string]any) string {
	f, err := ParseFilter(sql, params)
	if err != nil {
		return "refused: " + err.Error()
	}
	return f.String()
}

func answerAction(sql string, params map[string]any, m *message) string {
	a, err := ParseAction(sql, params)
	if err != nil {
		return "refused: " + err.Error()
	}
	changed := m.clone()
	if err := a.Run(changed); err != nil {
		return "failed: " + err.Error()
	}
	var parts []string
	for _, k := range sortedKeys(changed.system) {
		parts = append(parts, "sys."+k+"="+show(changed.system[k]))
	}
	for _, k := range sortedKeys(changed.user) {
		parts = append(parts, k+"="+show(changed.user[k]))
	}
	return strings.Join(parts, " ")
}

// show writes a value as readValue reads it.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return quoteString(v)
	case int64, float64, bool:
		return fmt.Sprint(v)
	case time.Time:
		return "time(" + v.Format(time.RFC3339Nano) + ")"
	case TimeSpan:
		return "span(" + time.Duration(v*100).String() + ")"
	}
	return fmt.Sprintf("%s(%v)", strings.TrimPrefix(fmt.Sprintf("%T", v), "filter."), v)
}

func readProperties(t *testing.T, s string, set func(string, any)) {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			t.Fatalf("expected name=value in %q", s)
		}
		end := len(rest)
		if strings.HasPrefix(rest, "'") {
			end = 2 + strings.Index(rest[1:], "'")
		} else if i := strings.IndexByte(rest, ' '); i >= 0 {
			end = i
		}
		set(name, readValue(t, rest[:end]))
		s = rest[end:]
	}
}

func readValue(t *testing.T, s string) any {
	if inner, ok := strings.CutPrefix(s, "'"); ok {
		return strings.TrimSuffix(inner, "'")
	}
	kind, inner, ok := strings.Cut(strings.TrimSuffix(s, ")"), "(")
	if !ok {
		kind, inner = "", s
	}
	scanned := func(v any) any {
		if _, err := fmt.Sscan(inner, v); err != nil {
			t.Fatalf("value %q: %v", s, err)
		}
		return v
	}
	switch kind {
	case "int8":
		return *scanned(new(int8)).(*int8)
	case "int32":
		return *scanned(new(int32)).(*int32)
	case "uint8":
		return *scanned(new(uint8)).(*uint8)
	case "uint32":
		return *scanned(new(uint32)).(*uint32)
	case "uint64":
		return *scanned(new(uint64)).(*uint64)
	case "float32":
		return *scanned(new(float32)).(*float32)
	case "decimal":
		d, err := ParseDecimal(inner)
		if err != nil {
			t.Fatal(err)
		}
		return d
	case "time":
		v, err := time.Parse(time.RFC3339, inner)
		if err != nil {
			t.Fatal(err)
		}
		return v
	case "span":
		v, err := time.ParseDuration(inner)
		if err != nil {
			t.Fatal(err)
		}
		return v
	case "bytes":
		return []byte(inner)
	case "guid":
		return GUID{15: inner[0]}
	case "list":
		return []any{inner}
	}
	switch {
	case inner == "null":
		return nil
	case inner == "true", inner == "false":
		return inner == "true"
	case strings.ContainsAny(inner, ".eN"):
		return *scanned(new(float64)).(*float64)
	}
	return *scanned(new(int64)).(*int64)
}
