package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// node is a JSON object.
type node = map[string]any

// graph is a set of actions and what lies around it.
type graph struct {
	actions node
	loop    bool // in a Foreach or an Until
	inner   bool // in any action
}

// spoiler makes one mistake in a definition; false, it has nothing to make it in. The
// code is what a validator must say then.
type spoiler struct {
	name, code string
	do         func(d node, graphs []graph, r *rand.Rand) bool
}

// compose is an action that makes a value.
func compose(v any) node { return node{"type": "Compose", "inputs": v, "runAfter": node{}} }

var spoilers = []spoiler{
	{"an action of no known type", "unknown-action-type", anyAction(func(a node) { a["type"] = "DoIt" })},
	{"an action without a type", "missing-member", anyAction(func(a node) { delete(a, "type") })},
	{"a trigger of no known type", "unknown-trigger-type", anyTrigger(func(t node) { t["type"] = "Whenever" })},
	{"a runAfter that names nobody", "runafter-missing", anyAction(func(a node) { a["runAfter"] = node{"Nobody at all": []any{"Succeeded"}} })},
	{"a runAfter that waits for no end", "runafter-status", followed(func(a, _ node, name, before string, _ node) { a["runAfter"] = node{before: []any{"Done"}} })},
	{"a runAfter with a word for its list", "runafter-shape", followed(func(a, _ node, name, before string, _ node) { a["runAfter"] = node{before: "Succeeded"} })},
	{"a circle", "runafter-cycle", followed(func(_, b node, name, _ string, _ node) { b["runAfter"] = node{name: []any{"Succeeded"}} })},
	{"a circle of one", "runafter-cycle", anyNamed(func(name string, a, _ node) { a["runAfter"] = node{name: []any{"Failed"}} })},
	{"an action that asks for itself", "reference-self", anyNamed(func(name string, _, in node) {
		in["Spoiled"] = compose("@outputs('Spoiled')")
	})},
	{"an action that asks too early", "reference-not-ahead", followed(func(_, _ node, name, before string, in node) {
		in["Spoiled"] = compose("@body('" + name + "')")
	})},
	{"an action that asks for nobody", "reference-missing", anyNamed(func(_ string, _, in node) { in["Spoiled"] = compose("x @{outputs('Nobody')} y") })},
	{"result() of something that holds nothing", "reference-not-scope", anyNamed(func(_ string, _, in node) {
		in["Spoiled one"] = compose(1)
		in["Spoiled"] = node{"type": "Compose", "inputs": "@result('Spoiled one')", "runAfter": node{"Spoiled one": []any{"Succeeded"}}}
	})},
	{"a Response in a loop", "response-in-loop", inGraph(true, func(in node) { in["Spoiled"] = node{"type": "Response", "inputs": node{"statusCode": 200}} })},
	{"a Terminate in a loop", "terminate-in-loop", inGraph(true, func(in node) {
		in["Spoiled"] = node{"type": "Terminate", "inputs": node{"runStatus": "Failed"}}
	})},
	{"a Response that nobody asked for", "response-no-request", func(d node, _ []graph, _ *rand.Rand) bool {
		d["triggers"] = node{"t": node{"type": "Recurrence", "recurrence": node{"frequency": "Day", "interval": 1}}}
		d["actions"].(node)["Spoiled"] = node{"type": "Response", "inputs": node{"statusCode": 200}}
		return true
	}},
	{"a Response that redirects", "response-status", inGraph(false, func(in node) { in["Spoiled"] = node{"type": "Response", "inputs": node{"statusCode": 302}} })},
	{"a variable that is initialised inside", "init-in-scope", inGraph(true, func(in node) { in["Spoiled"] = initialise("spoiled") })},
	{"a variable that is initialised twice", "variable-twice", inGraph(false, func(in node) {
		in["Spoiled"], in["Spoiled two"] = initialise("spoiled"), initialise("Spoiled")
	})},
	{"a variable that nobody initialises", "variable-missing", anyNamed(func(_ string, _, in node) {
		in["Spoiled"] = node{"type": "IncrementVariable", "inputs": node{"name": "nobody", "value": 1}}
	})},
	{"a variable that is set from itself", "variable-self", func(d node, _ []graph, _ *rand.Rand) bool {
		in := d["actions"].(node)
		in["Spoiled"] = initialise("spoiled")
		in["Spoiled two"] = node{"type": "SetVariable", "inputs": node{"name": "spoiled", "value": "@concat(variables('spoiled'), 'x')"}, "runAfter": node{"Spoiled": []any{"Succeeded"}}}
		return true
	}},
	{"a variable before it is there", "variable-early", func(d node, _ []graph, _ *rand.Rand) bool {
		in := d["actions"].(node)
		in["Spoiled two"] = compose("@variables('spoiled')")
		late := initialise("spoiled")
		late["runAfter"] = node{"Spoiled two": []any{"Succeeded"}}
		in["Spoiled"] = late
		return true
	}},
	{"two actions of one name", "duplicate-name", anyNamed(func(name string, _, in node) {
		in["Spoiled"] = node{"type": "Scope", "actions": node{name: compose(1)}, "runAfter": node{}}
	})},
	{"a parameter that nobody declares", "parameter-missing", func(d node, _ []graph, _ *rand.Rand) bool {
		p, ok := d["parameters"].(node)
		if !ok {
			p = node{}
			d["parameters"] = p
		}
		p["spoiled"] = node{"type": "String"}
		d["actions"].(node)["Spoiled"] = compose("@parameters('nobody')")
		return true
	}},
	{"a parameter of no type", "parameter-type", func(d node, _ []graph, _ *rand.Rand) bool {
		d["parameters"] = node{"spoiled": node{"type": "Text"}}
		return true
	}},
	{"an expression that does not end", "expression", anyNamed(func(_ string, _, in node) { in["Spoiled"] = compose("@concat('a', 'b'") })},
	{"an expression in the wrong quotes", "expression", anyNamed(func(_ string, _, in node) { in["Spoiled"] = compose("@concat(\"a\")") })},
	{"a function that gets too little", "expression", anyNamed(func(_ string, _, in node) { in["Spoiled"] = compose("@{length()}") })},
	{"a function that is none", "expression", anyNamed(func(_ string, _, in node) { in["Spoiled"] = compose("@doIt(1)") })},
	{"items() without its loop", "item-outside-loop", func(d node, _ []graph, _ *rand.Rand) bool {
		d["actions"].(node)["Spoiled"] = compose("@items('Spoiled loop')")
		return true
	}},
	{"a frequency that is none", "recurrence", recurring(func(r node) { r["frequency"] = "Fortnight" })},
	{"an interval of zero", "recurrence", recurring(func(r node) { r["interval"] = 0 })},
	{"a schedule of an hour that is none", "recurrence-schedule", recurring(func(r node) {
		r["frequency"], r["interval"], r["schedule"] = "Day", 1, node{"hours": []any{25}}
	})},
	{"a time zone that is none", "time-zone", recurring(func(r node) { r["timeZone"] = "Moon Standard Time" })},
	{"a retry policy that cannot be", "retry-policy", ofType("Http", func(a node) {
		a["inputs"].(node)["retryPolicy"] = node{"type": "fixed", "count": 100, "interval": "PT5S"}
	})},
	{"a URI that cannot be called", "uri", ofType("Http", func(a node) { a["inputs"].(node)["uri"] = "ftp://host.example/" })},
	{"a method that cannot be used", "method", ofType("Http", func(a node) { a["inputs"].(node)["method"] = "TRACE" })},
	{"too many repetitions at once", "limit-exceeded", ofType("Foreach", func(a node) {
		delete(a, "operationOptions")
		a["runtimeConfiguration"] = node{"concurrency": node{"repetitions": 51}}
	})},
	{"sequential said twice", "concurrency", ofType("Foreach", func(a node) {
		a["operationOptions"], a["runtimeConfiguration"] = "Sequential", node{"concurrency": node{"repetitions": 1}}
	})},
	{"a loop without what it loops over", "missing-member", ofType("Foreach", func(a node) { delete(a, "foreach") })},
	{"a condition that is none", "condition", ofType("If", func(a node) { a["expression"] = node{"resembles": []any{1, 2}} })},
	{"an option that is none", "unknown-option", anyAction(func(a node) { a["operationOptions"] = "Backwards" })},
	{"a static result that is not there", "static-result-missing", ofType("Http", func(a node) {
		a["runtimeConfiguration"] = node{"staticResult": node{"name": "nobody", "staticResultOptions": "Enabled"}}
	})},
	{"a name that is too long", "limit-exceeded", inGraph(false, func(in node) { in[strings.Repeat("spoiled ", 20)] = compose(1) })},
	{"a splitOn that splits nothing", "wrong-type", anyTrigger(func(t node) { t["splitOn"] = 3 })},
	{"a call back that nobody waits for", "callback-outside", anyNamed(func(_ string, _, in node) { in["Spoiled"] = compose("@listCallbackUrl()") })},
	{"a tracked property that looks around", "tracked-reference", anyNamed(func(_ string, a, _ node) { a["trackedProperties"] = node{"x": "@variables('y')"} })},
}

func initialise(name string) node {
	return node{"type": "InitializeVariable", "inputs": node{"variables": []any{node{"name": name, "type": "String"}}}, "runAfter": node{}}
}

// anyNamed spoils one action, with its name and the actions around it.
func anyNamed(do func(name string, a, in node)) func(node, []graph, *rand.Rand) bool {
	return func(_ node, graphs []graph, r *rand.Rand) bool {
		g := graphs[r.IntN(len(graphs))].actions
		names := slices.Sorted(maps.Keys(g))
		if len(names) == 0 {
			return false
		}
		name := names[r.IntN(len(names))]
		a, ok := g[name].(node)
		if ok {
			do(name, a, g)
		}
		return ok
	}
}

func anyAction(do func(a node)) func(node, []graph, *rand.Rand) bool {
	return anyNamed(func(_ string, a, _ node) { do(a) })
}

func anyTrigger(do func(t node)) func(node, []graph, *rand.Rand) bool {
	return func(d node, _ []graph, _ *rand.Rand) bool {
		triggers, _ := d["triggers"].(node)
		for _, name := range slices.Sorted(maps.Keys(triggers)) {
			if t, ok := triggers[name].(node); ok {
				do(t)
				return true
			}
		}
		return false
	}
}

// followed spoils an action that runs after another one.
func followed(do func(a, b node, name, before string, in node)) func(node, []graph, *rand.Rand) bool {
	return func(_ node, graphs []graph, r *rand.Rand) bool {
		for _, i := range r.Perm(len(graphs)) {
			g := graphs[i].actions
			for _, name := range slices.Sorted(maps.Keys(g)) {
				a, _ := g[name].(node)
				after, _ := a["runAfter"].(node)
				for _, before := range slices.Sorted(maps.Keys(after)) {
					if b, ok := g[before].(node); ok {
						do(a, b, name, before, g)
						return true
					}
				}
			}
		}
		return false
	}
}

// inGraph spoils the actions of a loop, or those of the workflow itself.
func inGraph(loop bool, do func(in node)) func(node, []graph, *rand.Rand) bool {
	return func(_ node, graphs []graph, _ *rand.Rand) bool {
		for _, g := range graphs {
			if g.loop == loop && g.inner == loop {
				do(g.actions)
				return true
			}
		}
		return false
	}
}

// ofType spoils an action of a type that has inputs, or none.
func ofType(typ string, do func(a node)) func(node, []graph, *rand.Rand) bool {
	return func(_ node, graphs []graph, _ *rand.Rand) bool {
		for _, g := range graphs {
			for _, name := range slices.Sorted(maps.Keys(g.actions)) {
				a, _ := g.actions[name].(node)
				if _, hasInputs := a["inputs"].(node); a["type"] == typ && (hasInputs || typ != "Http") {
					do(a)
					return true
				}
			}
		}
		return false
	}
}

func recurring(do func(r node)) func(node, []graph, *rand.Rand) bool {
	return func(d node, _ []graph, _ *rand.Rand) bool {
		triggers, _ := d["triggers"].(node)
		for _, name := range slices.Sorted(maps.Keys(triggers)) {
			t, _ := triggers[name].(node)
			if r, ok := t["recurrence"].(node); ok {
				do(r)
				return true
			}
		}
		return false
	}
}

// graphsOf lists the sets of actions of a definition, the workflow's own first.
func graphsOf(actions any, loop, inner bool) []graph {
	own, ok := actions.(node)
	if !ok {
		return nil
	}
	all := []graph{{own, loop, inner}}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		a, _ := own[name].(node)
		inLoop := loop || a["type"] == "Foreach" || a["type"] == "Until"
		all = append(all, graphsOf(a["actions"], inLoop, true)...)
		for _, branch := range []string{"else", "default"} {
			if b, ok := a[branch].(node); ok {
				all = append(all, graphsOf(b["actions"], inLoop, true)...)
			}
		}
		cases, _ := a["cases"].(node)
		for _, k := range slices.Sorted(maps.Keys(cases)) {
			if one, ok := cases[k].(node); ok {
				all = append(all, graphsOf(one["actions"], inLoop, true)...)
			}
		}
	}
	return all
}

// spoil makes each mistake in valid definitions, in as many as said, and writes them;
// it gives which mistake each file has.
func spoil(from, to string, entries []entry, each int) (map[string]spoiler, error) {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return nil, err
	}
	made := map[string]spoiler{}
	r := rand.New(rand.NewPCG(1, 2))
	for i, s := range spoilers {
		for n, tries := 0, 0; n < each && tries < 40*each; tries++ {
			e := entries[r.IntN(len(entries))]
			data, err := os.ReadFile(filepath.Join(from, filepath.Base(e.File)))
			if err != nil {
				return nil, err
			}
			var d node
			if json.Unmarshal(data, &d) != nil {
				continue
			}
			graphs := graphsOf(d["actions"], false, false)
			if len(graphs) == 0 || !s.do(d, graphs, r) {
				continue
			}
			if data, err = json.Marshal(d); err != nil {
				return nil, err
			}
			name := fmt.Sprintf("%02d-%03d-%s", i, n, filepath.Base(e.File))
			if err := os.WriteFile(filepath.Join(to, name), data, 0o644); err != nil {
				return nil, err
			}
			made[name] = s
			n++
		}
	}
	return made, nil
}
