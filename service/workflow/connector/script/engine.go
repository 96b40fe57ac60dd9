package script

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/file"
)

// callsMax bounds how deep functions call each other.
const callsMax = 5000

// prelude makes what a script sees. The context is a copy: what lies deeper than its
// actions may be changed, and nobody else sees it.
const prelude = `(function (text, sizeMax, fail) {
	"use strict";
	const plain = new Set(["toJSON", "then", "constructor", "toString", "valueOf", "hasOwnProperty", "inspect"]);
	const guard = (target, missing) => new Proxy(target, {
		get(t, name) {
			if (typeof name === "symbol" || name in t || plain.has(name)) return t[name];
			return missing(name);
		},
		set(t, name) { return fail("modify", String(name)); },
		defineProperty(t, name) { return fail("modify", String(name)); },
		deleteProperty(t, name) { return fail("modify", String(name)); },
		setPrototypeOf() { return fail("modify", "its prototype"); },
	});
	const context = JSON.parse(text);
	context.actions = guard(context.actions || {}, name => fail("action", name));
	const seen = guard(context, name => name === "trigger" ? fail("trigger", name) : name === "workflow" ? undefined : fail("member", name));

	const tooLarge = n => { if (n > sizeMax) throw new RangeError("it would have more than " + sizeMax + " bytes"); };
	const wrap = (owner, name, size) => {
		const own = owner[name];
		Object.defineProperty(owner, name, { configurable: true, writable: true, value: function (...args) {
			tooLarge(size(this, args));
			return own.apply(this, args);
		} });
	};
	wrap(String.prototype, "repeat", (s, [n]) => String(s).length * Number(n || 0));
	wrap(String.prototype, "padStart", (s, [n]) => Number(n || 0));
	wrap(String.prototype, "padEnd", (s, [n]) => Number(n || 0));
	wrap(Array.prototype, "fill", a => a.length);
	wrap(Array.prototype, "join", (a, [s]) => a.length * (s === undefined ? 1 : String(s).length));
	wrap(Array, "from", (a, [x]) => x !== null && x !== undefined && typeof x.length === "number" ? x.length : 0);
	for (const name of ["ArrayBuffer", "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array"]) {
		const own = globalThis[name];
		if (own === undefined) continue;
		const made = new Proxy(own, { construct(t, args, target) {
			if (typeof args[0] === "number") tooLarge(args[0] * (own.BYTES_PER_ELEMENT || 1));
			return Reflect.construct(t, args, target === made ? own : target);
		} });
		globalThis[name] = made;
	}
	return seen;
})`

// refusal is what the prelude throws past the script.
type refusal struct{ code, message string }

func (r *refusal) Error() string { return r.message }

// errLate interrupts a script whose time is over.
var errLate = errors.New("its time is over")

// perform runs a script in an engine of its own.
func perform(ctx context.Context, j job, l Limits) (d done) {
	defer func() {
		if r := recover(); r != nil {
			d = done{Code: codeBroken, Message: fmt.Sprintf("the engine broke: %.200s (%.300s)", fmt.Sprint(r), debug.Stack())}
		}
	}()
	vm := goja.New()
	vm.SetMaxCallStackSize(callsMax)
	program, err := compile(j.Code)
	if err != nil {
		return done{Code: codeParsing, Message: err.Error()}
	}
	context, err := seen(vm, j.Context, l.TextBytesMax)
	if err != nil {
		return done{Code: codeBroken, Message: "what it is given cannot be read: " + err.Error()}
	}
	stop := time.AfterFunc(l.Time, func() { vm.Interrupt(errLate) })
	defer stop.Stop()
	defer afterDone(ctx, func() { vm.Interrupt(ctx.Err()) })()
	v, err := vm.RunProgram(program)
	if err != nil {
		return failed(err, l)
	}
	call, ok := goja.AssertFunction(v)
	if !ok {
		return done{Code: codeParsing, Message: "the code is not the body of a function"}
	}
	result, err := call(goja.Undefined(), context)
	if err != nil {
		return failed(err, l)
	}
	if p := promised(result); p != nil {
		switch p.State() {
		case goja.PromiseStateFulfilled:
			result = p.Result()
		case goja.PromiseStateRejected:
			return done{Code: codeRuntime, Message: short(p.Result().String())}
		default:
			return done{Code: codeRuntime, Message: "it returned a promise that nothing can fulfil: scripts have no timers and no input"}
		}
	}
	return written(vm, result, l)
}

// promised gives the promise that a result is, or nil.
func promised(result goja.Value) *goja.Promise {
	if o, ok := result.(*goja.Object); ok && o.ExportType() == reflect.TypeFor[*goja.Promise]() {
		p, _ := o.Export().(*goja.Promise)
		return p
	}
	return nil
}

// afterDone calls f when the context ends, until what it gives is called.
func afterDone(ctx context.Context, f func()) func() {
	stop := context.AfterFunc(ctx, f)
	return func() { stop() }
}

// opening stands before the code on its first line.
const opening = "(function (workflowContext) {"

// compile makes a function of the code; one that awaits is an asynchronous one.
func compile(code string) (*goja.Program, error) {
	p, err := goja.Compile("script", opening+code+"\n})", false)
	if err != nil && strings.Contains(code, "await") {
		if p, err := goja.Compile("script", "(async function (workflowContext) {"+code+"\n})", false); err == nil {
			return p, nil
		}
	}
	if err == nil {
		return p, nil
	}
	return nil, errors.New(short(syntax(err.Error())))
}

// place is how the compiler names a place.
var place = regexp.MustCompile(`^SyntaxError: script: (?:Line )?(\d+):(\d+) `)

// syntax says a compiler's error as the others are said.
func syntax(text string) string {
	found := place.FindStringSubmatch(text)
	if found == nil {
		return strings.TrimPrefix(text, "SyntaxError: ")
	}
	line, _ := strconv.Atoi(found[1])
	column, _ := strconv.Atoi(found[2])
	return "SyntaxError: " + text[len(found[0]):] + at(line, column)
}

// seen makes what the script sees as workflowContext.
func seen(vm *goja.Runtime, text string, sizeMax int64) (goja.Value, error) {
	v, err := vm.RunString(prelude)
	if err != nil {
		return nil, err
	}
	make, _ := goja.AssertFunction(v)
	fail := func(kind, name string) goja.Value {
		r := &refusal{code: codeMember, message: fmt.Sprintf("workflowContext has no '%s'; it has actions, trigger and workflow", name)}
		switch kind {
		case "modify":
			r = &refusal{codeModify, fmt.Sprintf("workflowContext cannot be modified ('%s'); assign to a variable of the script", name)}
		case "action":
			r = &refusal{codeMissing, fmt.Sprintf("workflowContext.actions has no '%s': it is no action that has begun, or the code does not name it directly: then list it in explicitDependencies.actions", name)}
		case "trigger":
			r = &refusal{codeMissing, "workflowContext has no trigger: set explicitDependencies.includeTrigger to true"}
		}
		panic(vm.NewGoError(r))
	}
	return make(goja.Undefined(), vm.ToValue(text), vm.ToValue(sizeMax), vm.ToValue(fail))
}

// written gives a result as JSON.
func written(vm *goja.Runtime, result goja.Value, l Limits) done {
	if result == nil || goja.IsUndefined(result) {
		return done{}
	}
	stringify, _ := goja.AssertFunction(vm.Get("JSON").ToObject(vm).Get("stringify"))
	text, err := stringify(goja.Undefined(), result)
	if err != nil {
		return failed(err, l)
	}
	if goja.IsUndefined(text) {
		return done{}
	}
	d := done{Result: text.String()}
	if int64(len(d.Result)) > l.DataBytesMax {
		return done{Code: codeSize, Message: fmt.Sprintf("what it returned has %d bytes; at most %d are recorded", len(d.Result), l.DataBytesMax)}
	}
	return d
}

// failed says how a script failed, and in which of its lines.
func failed(err error, l Limits) done {
	var (
		stopped *goja.InterruptedError
		deep    *goja.StackOverflowError
		thrown  *goja.Exception
		refused *refusal
	)
	switch {
	case errors.As(err, &stopped) && errors.Is(stopped, errLate):
		return late(l)
	case errors.As(err, &stopped):
		return done{Code: codeTimeout, Message: "it was given up", Again: true}
	case errors.As(err, &deep):
		return done{Code: codeRuntime, Message: fmt.Sprintf("its functions call each other more than %d deep%s", callsMax, lineOf(deep.Stack()))}
	case errors.As(err, &thrown):
		where := lineOf(thrown.Stack())
		if errors.As(err, &refused) {
			return done{Code: refused.code, Message: refused.message + where}
		}
		return done{Code: codeRuntime, Message: short(thrown.Value().String()) + where}
	}
	return done{Code: codeRuntime, Message: short(err.Error())}
}

func late(l Limits) done {
	return done{Code: codeTimeout, Message: fmt.Sprintf("it ran longer than %s", l.Time)}
}

// lineOf is the first place of a stack that is in the script.
func lineOf(stack []goja.StackFrame) string {
	for _, f := range stack {
		if f.SrcName() == "script" {
			if p := f.Position(); p != (file.Position{}) {
				return at(p.Line, p.Column)
			}
		}
	}
	return ""
}

// at says a place in the code, which begins behind the opening.
func at(line, column int) string {
	if line == 1 {
		column -= len(opening)
	}
	return fmt.Sprintf(" (line %d, column %d)", line, max(column, 1))
}

// messageBytesMax bounds what a script says when it fails.
const messageBytesMax = 2000

func short(s string) string {
	if len(s) > messageBytesMax {
		return strings.ToValidUTF8(s[:messageBytesMax], "") + "..."
	}
	return s
}
