package script

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// TestMain is a worker when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func working(t *testing.T, l Limits) *Connector {
	c := New(Options{Worker: []string{os.Args[0], "serve"}, Limits: l})
	t.Cleanup(c.Close)
	return c
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func call(t testing.TB, code string) *connector.Call {
	v, err := expression.ParseJSON(`{"actions": {"One": {"name": "One", "outputs": {"body": {"list": [3, 1, 2]}}}, "T.wo": {"outputs": "two"}}, "trigger": {"outputs": {"body": {"n": 7}}}, "workflow": {"name": "orders"}}`)
	if err != nil {
		t.Fatal(err)
	}
	return &connector.Call{Type: "JavaScriptCode", Inputs: expression.NewObject("code", code), Context: v.(*expression.Object), Who: connector.Who{Action: "Code"}}
}

func told(a connector.Answer) string {
	if a.Code != "" {
		return a.Code + ": " + strings.TrimSuffix(strings.TrimPrefix(a.Message, "The inline code action 'Code' execution failed, with error '"), "'.")
	}
	return string(expression.AppendJSON(nil, a.Outputs))
}

func TestScripts(t *testing.T) {
	worker := working(t, Limits{})
	inside := New(Options{})
	for _, k := range []struct{ name, code, want string }{
		{"a value", `return 1 + 1`, `{"body":2}`},
		{"the documentation's first example", "var text = \"Hello world from \" + workflowContext.workflow.name;\r\n\r\nreturn text;", `{"body":"Hello world from orders"}`},
		{"nothing", `var x = 1;`, `{}`},
		{"null", `return null`, `{"body":null}`},
		{"what the run has done", `return workflowContext.actions.One.outputs.body.list.map(x => x * 2)`, `{"body":[6,2,4]}`},
		{"a name with a dot", `return workflowContext.actions["T.wo"].outputs`, `{"body":"two"}`},
		{"the trigger", `const {n} = workflowContext.trigger.outputs.body; return n ?? 0`, `{"body":7}`},
		{"a copy may be sorted", `return workflowContext.actions.One.outputs.body.list.sort()`, `{"body":[1,2,3]}`},
		{"dates, regular expressions and JSON", `return [new Date(0).toISOString(), "a-b".replace(/(\w)-(\w)/, "$2$1"), JSON.stringify({a: 1}), Object.keys(workflowContext.actions)]`, `{"body":["1970-01-01T00:00:00.000Z","ba","{\"a\":1}",["One","T.wo"]]}`},
		{"binary", `return Array.from(new Uint8Array([1, 2, 300]))`, `{"body":[1,2,44]}`},
		{"a promise", `return Promise.resolve(5)`, `{"body":5}`},
		{"await", `const x = await Promise.resolve(5); return x + 1`, `{"body":6}`},
		{"a generator and a class", `class A { *[Symbol.iterator]() { yield 1; yield 2; } } return [...new A()]`, `{"body":[1,2]}`},
		{"throwing", "var a = 1;\n\nthrow new TypeError('no such thing')", `InlineCodeScriptRuntimeFailure: TypeError: no such thing (line 3, column 7)`},
		{"on the first line", "return nope + 1", `InlineCodeScriptRuntimeFailure: ReferenceError: nope is not defined (line 1, column 8)`},
		{"within a function", "function f() {\n  return null.x\n}\nreturn f()", `InlineCodeScriptRuntimeFailure: TypeError: Cannot read property 'x' of undefined (line 2, column 15)`},
		{"bad syntax", "var a = ;", `InlineCodeParsingFailure: SyntaxError: Unexpected token ; (and 2 more errors) (line 1, column 9)`},
		{"a loop in the result", `var a = {}; a.a = a; return a`, `InlineCodeScriptRuntimeFailure: TypeError: Converting circular structure to JSON`},
		{"modifying", `workflowContext.x = 1`, `InlineCodeCannotModifyWorkflowContext: workflowContext cannot be modified ('x'); assign to a variable of the script (line 1, column 17)`},
		{"modifying the actions", `delete workflowContext.actions.One`, `InlineCodeCannotModifyWorkflowContext: workflowContext cannot be modified ('One'); assign to a variable of the script (line 1, column 32)`},
		{"an unknown member", `return workflowContext.variables`, `InlineCodeInvalidProperty: workflowContext has no 'variables'; it has actions, trigger and workflow (line 1, column 24)`},
		{"an unknown action", `return workflowContext.actions.Nope.outputs`, `InlineCodeOperationMissing: workflowContext.actions has no 'Nope': it is no action that has begun, or the code does not name it directly: then list it in explicitDependencies.actions (line 1, column 32)`},
		{"nothing of the machine", `return [typeof require, typeof process, typeof fetch, typeof setTimeout, typeof console]`, `{"body":["undefined","undefined","undefined","undefined","undefined"]}`},
		{"too deep", `function f() { return f() + 1 } return f()`, `InlineCodeScriptRuntimeFailure: its functions call each other more than 5000 deep (line 1, column 24)`},
		{"too long a text", `return "x".repeat(1e9).length`, `InlineCodeScriptRuntimeFailure: RangeError: it would have more than 67108864 bytes (line 1, column 18)`},
		{"too large a buffer", `return new Uint8Array(1e9).length`, `InlineCodeScriptRuntimeFailure: RangeError: it would have more than 67108864 bytes (line 1, column 8)`},
		{"a promise for ever", `return new Promise(() => {})`, `InlineCodeScriptRuntimeFailure: it returned a promise that nothing can fulfil: scripts have no timers and no input`},
		{"a promise that is broken", `return Promise.reject(new Error("no"))`, `InlineCodeScriptRuntimeFailure: Error: no`},
	} {
		t.Run(k.name, func(t *testing.T) {
			for name, c := range map[string]*Connector{"worker": worker, "inside": inside} {
				if got := told(c.Do(within(t), call(t, k.code))); got != k.want {
					t.Errorf("%s gives %s\nwant %s", name, got, k.want)
				}
			}
		})
	}
}

func TestBounds(t *testing.T) {
	short := Limits{Time: 300 * time.Millisecond, MemoryBytesMax: 64 << 20, DataBytesMax: 1000, CodeBytesMax: 200}
	worker := working(t, short)
	inside := New(Options{Limits: short})
	short.Time = 20 * time.Second
	patient := working(t, short)
	for _, k := range []struct {
		name, code, want string
		inside           bool
	}{
		{"a loop", `for (;;) {}`, "InlineCodeExecutionTimeout: it ran longer than 300ms", true},
		{"one that catches", `for (;;) { try { for (;;) {} } catch (e) {} }`, "InlineCodeExecutionTimeout: it ran longer than 300ms", true},
		{"within a built-in function", `return Array.prototype.indexOf.call({length: 9e15}, 1)`, "InlineCodeExecutionTimeout: it ran longer than 300ms", false},
		{"within a regular expression", `return /^(?=(a+)+b)(a+)+$/.test("a".repeat(40))`, "InlineCodeExecutionTimeout: it ran longer than 300ms", false},
		{"memory", `const a = []; for (;;) a.push("x".repeat(100000) + a.length)`, "InlineCodeMemoryLimitReached: it took more than 64 MB of memory", false},
		{"memory at once", `let s = "x"; for (;;) s += s`, "InlineCodeMemoryLimitReached: it took more than 64 MB of memory", false},
		{"a large result", `return "x".repeat(1001)`, "InlineCodeSizeLimitReached: what it returned has 1003 bytes; at most 1000 are recorded", true},
		{"much code", `return 1 //` + strings.Repeat("x", 200), "InlineCodeSizeLimitReached: The code of 'Code' has more than 200 characters.", true},
		{"the next one works", `return 1`, `{"body":1}`, true},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := worker
			if strings.HasPrefix(k.name, "memory") {
				c = patient
			}
			if got := told(c.Do(within(t), call(t, k.code))); strings.TrimSuffix(got, "'.") != strings.TrimSuffix(k.want, "'.") {
				t.Errorf("a worker gives %s\nwant %s", got, k.want)
			}
			if k.inside {
				if got := told(inside.Do(within(t), call(t, k.code))); strings.TrimSuffix(got, "'.") != strings.TrimSuffix(k.want, "'.") {
					t.Errorf("inside gives %s\nwant %s", got, k.want)
				}
			}
		})
	}
}

func TestInputs(t *testing.T) {
	c := New(Options{})
	for _, k := range []struct{ inputs, says string }{
		{`[]`, "no object"}, {`{}`, "no code"}, {`{"code": " "}`, "no code"}, {`{"code": "return 1", "x": 1}`, "'x'"},
	} {
		v, err := expression.ParseJSON(k.inputs)
		if err != nil {
			t.Fatal(err)
		}
		if a := c.Do(within(t), &connector.Call{Inputs: v}); a.Code != codeInputs || !strings.Contains(a.Message, k.says) {
			t.Errorf("%s: %+v, want it to say %q", k.inputs, a, k.says)
		}
	}
}

// A run that is cancelled ends its script, and scripts know nothing of each other.
func TestGivenUpAndApart(t *testing.T) {
	c := working(t, Limits{AtOnce: 2, Time: 20 * time.Second})
	ctx, cancel := context.WithCancel(within(t))
	gone := make(chan connector.Answer)
	go func() { gone <- c.Do(ctx, call(t, `globalThis.mark = 1; for (;;) {}`)) }()
	cancel()
	if a := <-gone; a.Code != codeTimeout || !a.Retryable {
		t.Errorf("given up: %+v", a)
	}
	var wait sync.WaitGroup
	for i := range 6 {
		wait.Go(func() {
			code := fmt.Sprintf(`const before = typeof mark; globalThis.mark = %d; Array.prototype.mine = 1; return [before, mark, [].other === undefined]`, i)
			if got, want := told(c.Do(within(t), call(t, code))), fmt.Sprintf(`{"body":["undefined",%d,true]}`, i); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	wait.Wait()
}

func TestWorkerThatCannotBegin(t *testing.T) {
	for _, command := range []string{"/nowhere/at/all", "/bin/true"} {
		c := New(Options{Worker: []string{command}})
		if a := c.Do(within(t), call(t, "return 1")); a.Code != codeBroken || !a.Retryable {
			t.Errorf("%s: %+v", command, a)
		}
		c.Close()
	}
}

// A worker that has been killed by somebody else is replaced.
func TestWorkerThatIsKilled(t *testing.T) {
	c := working(t, Limits{AtOnce: 1, Time: 20 * time.Second})
	if a := c.Do(within(t), call(t, "return 1")); a.Code != "" {
		t.Fatalf("%+v", a)
	}
	c.pool.mu.Lock()
	w := c.pool.idle[0]
	c.pool.mu.Unlock()
	if err := w.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = w.process.Wait()
	if a := c.Do(within(t), call(t, "return 2")); told(a) != `{"body":2}` {
		t.Errorf("%+v", a)
	}
}

// Workers that have nothing to do for long end.
func TestWorkersRest(t *testing.T) {
	c := working(t, Limits{})
	c.pool.rest = time.Millisecond
	if a := c.Do(within(t), call(t, "return 1")); a.Code != "" {
		t.Fatalf("%+v", a)
	}
	for ctx := within(t); ; {
		c.pool.mu.Lock()
		left := len(c.pool.idle)
		c.pool.mu.Unlock()
		if left == 0 {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("%d workers rest", left)
		}
	}
	if a := c.Do(within(t), call(t, "return 2")); told(a) != `{"body":2}` {
		t.Errorf("%+v", a)
	}
}
