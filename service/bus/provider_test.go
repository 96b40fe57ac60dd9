package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/journal/record"
	"weir/kernel/resource"
	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

var declaredIn = resource.MustID("/subscriptions/s/resourceGroups/g")

// instant carries a registry in memory: everything is durable at once.
type instant struct {
	now    time.Time
	facts  int
	reveal []func()
}

func (u *instant) Now() time.Time { return u.now }

func (u *instant) Record([]byte) record.Ref {
	u.facts++
	return record.Ref{At: record.Position(u.facts)}
}

func (u *instant) Reveal(fn func()) { u.reveal = append(u.reveal, fn) }

func (u *instant) Call(_ context.Context, work func(resource.Turn)) error {
	u.now = u.now.Add(time.Second)
	work(u)
	for _, fn := range u.reveal {
		fn()
	}
	u.reveal = nil
	return nil
}

func (u *instant) View(fn func()) { fn() }

func declared(t testing.TB) *resource.Registry {
	t.Helper()
	types, err := resource.NewTypes(Types()...)
	if err != nil {
		t.Fatal(err)
	}
	r := resource.NewRegistry(types, bytes.NewReader(bytes.Repeat([]byte("random"), 1000)))
	r.Bind(&instant{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	return r
}

// TestDeclare plays the conversations in testdata/*.txt. A line that begins with > is
// said, with the lines under it that begin with |; the others are the answer.
//
//	> deploy            YAML or JSON, or an emulator's file, below
//	> entities NS       what the broker is told of a namespace
//	> get PATH          properties as they are shown
//	> act PATH ACTION   runs an action
//	> delete PATH
func TestDeclare(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, file, converse(t, declared(t), string(script)))
		})
	}
}

func compare(t testing.TB, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w, g := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			t.Fatalf("%s changed from line %d on; run with -update and read the difference\n%s", file, i+1, strings.Join(g[min(i, len(g)):min(i+3, len(g))], "\n"))
		}
	}
}

func converse(t *testing.T, r *resource.Registry, script string) string {
	var out strings.Builder
	lines := strings.Split(strings.TrimRight(script, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" || strings.HasPrefix(lines[i], "#") {
			out.WriteString(lines[i] + "\n")
		}
		said, isCommand := strings.CutPrefix(lines[i], "> ")
		if !isCommand {
			continue
		}
		out.WriteString(lines[i] + "\n")
		var more []string
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|") {
			i++
			out.WriteString(lines[i] + "\n")
			more = append(more, strings.TrimPrefix(lines[i][1:], " "))
		}
		answer, err := reply(t, r, strings.Fields(said), strings.Join(more, "\n"))
		if err != nil {
			answer = "refused, " + fault.KindOf(err).String() + ":\n" + fault.Sentence(err)
		}
		out.WriteString(strings.TrimRight(answer, "\n") + "\n")
	}
	return out.String()
}

func reply(t *testing.T, r *resource.Registry, words []string, more string) (string, error) {
	ctx := t.Context()
	switch words[0] {
	case "deploy":
		docs, err := resource.ParseFile([]byte(more), declaredIn, Importers(declaredIn)...)
		if err != nil {
			return "", err
		}
		results, err := r.PutAll(ctx, docs)
		return outcome(results), err
	case "entities":
		ns, err := declaredIn.Resource(typeNamespace, words[1])
		if err != nil {
			return "", err
		}
		return entitiesOf(t, r, ns), nil
	}
	id := idOf(t, words[1])
	switch words[0] {
	case "get":
		d, err := r.Get(ctx, id)
		if err != nil {
			return "", err
		}
		typ, _ := r.Types().Lookup(d.Type())
		text, err := json.Marshal(typ.Redact(d).Properties)
		return string(text), err
	case "act":
		body := map[string]any{}
		if more != "" {
			if err := json.Unmarshal([]byte(more), &body); err != nil {
				t.Fatal(err)
			}
		}
		answer, err := r.Act(ctx, id, words[2], body)
		text, _ := json.Marshal(answer)
		return string(text), err
	case "delete":
		return "deleted", r.Delete(ctx, id, resource.Condition{})
	}
	t.Fatalf("unknown command %v", words)
	return "", nil
}

// idOf reads namespaces/ns/queues/q.
func idOf(t *testing.T, path string) resource.ID {
	t.Helper()
	return resource.MustID(declaredIn.String() + "/providers/Microsoft.ServiceBus/" + path)
}

func outcome(results []resource.Result) string {
	var b strings.Builder
	for _, r := range results {
		verb := "unchanged"
		if r.Created {
			verb = "created"
		} else if r.Changed {
			verb = "changed"
		}
		fmt.Fprintf(&b, "%s %s %s\n", verb, r.Document.Type()[len("Microsoft.ServiceBus/"):], strings.Join(r.Document.ID.Names(), "/"))
	}
	return b.String()
}

func entitiesOf(t *testing.T, r *resource.Registry, ns resource.ID) string {
	docs, _, err := r.ListUnder(t.Context(), ns, "")
	if err != nil {
		t.Fatal(err)
	}
	list, err := definitions(docs)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, d := range list {
		rules := d.Rules
		d.Rules = nil
		b.WriteString(strings.Replace(fmt.Sprintf("%+v", d), "Rules:[] ", "", 1) + "\n")
		for _, rule := range rules {
			c := rule.Filter.Correlation
			rule.Filter.Correlation = nil
			fmt.Fprintf(&b, "  rule %s: %+v", rule.Name, rule.Filter)
			if c != nil {
				fmt.Fprintf(&b, " %+v", *c)
			}
			if rule.Action != "" {
				fmt.Fprintf(&b, " action %s %v", rule.Action, rule.ActionParameters)
			}
			b.WriteString("\n")
		}
	}
	for _, rule := range accessRules(docs) {
		fmt.Fprintf(&b, "access %s %s scope %q keys %d, %d characters\n", rule.Name, rule.Claims, rule.Scope, len(rule.Primary), len(rule.Secondary))
	}
	return b.String()
}

// The reference page is generated from the schemas: go test ./service/bus -update.
func TestReference(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Service Bus resources\n\nGenerated from the schemas that validate them; `weir deploy` and the API take\nexactly this.\n\n")
	for _, typ := range Types() {
		page.WriteString(resource.Markdown(typ) + "\n")
	}
	compare(t, "../../docs/reference/servicebus.md", strings.TrimSuffix(page.String(), "\n"))
}

// Paths and ids go there and back.
func TestEntityPaths(t *testing.T) {
	ns := idOf(t, "namespaces/ns-one")
	for path, short := range map[string]string{
		"orders":                            "namespaces/ns-one/queues/orders",
		"orders/eu":                         "namespaces/ns-one/queues/orders~eu",
		"prices":                            "namespaces/ns-one/topics/prices",
		"prices/Subscriptions/audit":        "namespaces/ns-one/topics/prices/subscriptions/audit",
		"a/b/Subscriptions/audit":           "namespaces/ns-one/topics/a~b/subscriptions/audit",
		"prices/subscriptions/AUDIT":        "namespaces/ns-one/topics/prices/subscriptions/audit",
		"x/Subscriptions/y/Subscriptions/z": "",
	} {
		want := resource.ID{}
		if short != "" {
			want = idOf(t, short)
		}
		got, err := entityID(ns, path, func(id resource.ID) bool { return id.Equal(want) })
		if short == "" {
			if !fault.Is(err, fault.NotFound) {
				t.Errorf("%s is %s (%v)", path, got, err)
			}
			continue
		}
		if err != nil || !got.Equal(want) || !strings.EqualFold(entityPath(got), path) {
			t.Errorf("%s is %s (%v), whose path is %s", path, got, err, entityPath(got))
		}
	}
}

// What the rule operations of AMQP say is kept as a document and comes back the same.
func TestRuleDocuments(t *testing.T) {
	r := declared(t)
	for _, words := range []string{"{type: Microsoft.ServiceBus/namespaces, name: ns-one}", "{type: Microsoft.ServiceBus/namespaces/topics, name: ns-one/t}", "{type: Microsoft.ServiceBus/namespaces/topics/subscriptions, name: ns-one/t/s}"} {
		if _, err := reply(t, r, []string{"deploy"}, "- "+words); err != nil {
			t.Fatal(err)
		}
	}
	subscription := idOf(t, "namespaces/ns-one/topics/t/subscriptions/s")
	at := time.Date(2026, 2, 3, 4, 5, 6, 7000000, time.UTC)
	id := wire.UUID{1, 2, 3, 15: 9}
	for i, rule := range []broker.Rule{
		{Filter: broker.Filter{Kind: broker.TrueFilter}},
		{Filter: broker.Filter{Kind: broker.FalseFilter}, Action: "REMOVE x"},
		{Filter: broker.Filter{Kind: broker.SQLFilter, Expression: "a = @p AND b < @t", Parameters: []broker.Property{{Name: "@p", Value: int64(5)}, {Name: "@t", Value: at}}}},
		{Filter: broker.Filter{Kind: broker.SQLFilter, Expression: "1=1"}, Action: "SET a = @d", ActionParameters: []broker.Property{{Name: "d", Value: 90 * time.Second}}},
		{Filter: broker.Filter{Kind: broker.CorrelationFilter, Correlation: &broker.Correlation{Label: "red", ContentType: "text/plain", Properties: []broker.Property{{Name: "b", Value: true}, {Name: "f", Value: 1.5}, {Name: "g", Value: id}, {Name: "s", Value: "x"}}}}},
	} {
		rule.Name = fmt.Sprintf("rule-%d", i)
		doc, err := ruleDocument(subscription, rule)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Put(t.Context(), doc, resource.Condition{IfNoneMatch: true}); err != nil {
			t.Fatalf("%s: %v", rule.Name, err)
		}
		stored, err := r.Get(t.Context(), doc.ID)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ruleOf(stored)
		back.Created = time.Time{}
		got, _ := json.Marshal(back)
		want, _ := json.Marshal(rule)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s came back as %s (%v)", want, got, err)
		}
	}
	odd := broker.Rule{Name: "odd", Filter: broker.Filter{Kind: broker.SQLFilter, Expression: "1=1", Parameters: []broker.Property{{Name: "p", Value: wire.List{1}}}}}
	if _, err := ruleDocument(subscription, odd); !fault.Is(err, fault.Invalid) {
		t.Errorf("a list as a parameter: %v", err)
	}
	if _, err := ruleDocument(subscription, broker.Rule{Name: "a/b"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a rule's name with a slash: %v", err)
	}
	numbers := []broker.Property{{Name: "i", Value: int32(5)}, {Name: "t", Value: wire.Timestamp(1000)}, {Name: "y", Value: wire.Symbol("z")}}
	if values, err := documentValues(numbers); err != nil || fmt.Sprint(values) != "map[i:5 t:map[type:dateTime value:1970-01-01T00:00:01Z] y:z]" {
		t.Errorf("%v, %v", values, err)
	}
}

// A real client's connection string, from listKeys, verifies against the rules.
func TestListedKeysVerify(t *testing.T) {
	r := declared(t)
	if _, err := reply(t, r, []string{"deploy"}, "{type: Microsoft.ServiceBus/namespaces, name: ns-one}"); err != nil {
		t.Fatal(err)
	}
	answer, err := r.Act(t.Context(), idOf(t, "namespaces/ns-one/authorizationRules/RootManageSharedAccessKey"), "listkeys", map[string]any{"endpoint": "sb://ns-one.example:5671/"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := identity.ParseConnectionString(answer["secondaryConnectionString"].(string))
	if err != nil || c.Host() != "ns-one.example:5671" {
		t.Fatalf("%v, %v", c, err)
	}
	docs, _, err := r.ListUnder(t.Context(), idOf(t, "namespaces/ns-one"), "")
	if err != nil {
		t.Fatal(err)
	}
	rules := accessRules(docs)
	v := identity.Verifier{Rules: func(string) []identity.Rule { return rules }}
	p, err := v.VerifyKey(c.KeyName, c.Key, identity.Peer{})
	if err != nil || p.Check("any/queue", identity.Manage, time.Time{}) != nil {
		t.Errorf("%+v, %v", p, err)
	}
}

// BenchmarkDeploy declares an estate of 2,000 queues, again and again unchanged.
func BenchmarkDeploy(b *testing.B) {
	r := declared(b)
	var text strings.Builder
	text.WriteString("- {type: Microsoft.ServiceBus/namespaces, name: ns-one}\n")
	for i := range 2000 {
		fmt.Fprintf(&text, "- {type: Microsoft.ServiceBus/namespaces/queues, name: ns-one/q%d}\n", i)
	}
	docs, err := resource.ParseFile([]byte(text.String()), declaredIn)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("deploy", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.PutAll(b.Context(), docs); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			docs, _, err := r.ListUnder(b.Context(), declaredIn, "")
			if err != nil || len(docs) < 2000 {
				b.Fatal(err)
			}
			if list, err := definitions(docs); err != nil || len(list) != 2000 {
				b.Fatal(err)
			}
		}
	})
	b.Run("put one", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Put(b.Context(), docs[1], resource.Condition{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
