package definition

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"weir/service/workflow/internal/document"
)

// place is where an expression stands, which decides what it may ask for.
type place struct {
	// a and t are the action or the trigger it belongs to; both nil, the workflow's
	// own outputs.
	a *Action
	t *Trigger
	// tracked, item, unsubscribe, webhook and until say in which member it stands.
	tracked, item, unsubscribe, webhook, until, retry bool
}

// references checks the expressions of the whole definition.
func (r *reader) references(vars map[string]variable) {
	c := &checker{r, vars}
	for _, t := range r.d.Triggers {
		c.trigger(t)
	}
	r.d.Actions.Each(c.action)
	for _, o := range r.d.Outputs {
		c.walk(o.Value, o.Path.Of("value"), place{})
	}
}

type checker struct {
	*reader
	vars map[string]variable
}

func (c *checker) trigger(t *Trigger) {
	p := t.Path
	at := place{t: t}
	hook := at
	hook.webhook = t.opaque || strings.Contains(t.Type, "Webhook") || strings.Contains(t.Type, "Notification")
	if t.Inputs.Is(document.Object) {
		for _, m := range t.Inputs.Members {
			if m.Name == "schema" && t.Is("Request", "Manual") {
				continue // a schema is not evaluated
			}
			where := hook
			where.unsubscribe = m.Name == "unsubscribe"
			c.walk(m.Value, p.Of("inputs").Of(m.Name), where)
		}
	}
	if t.Recurrence != nil {
		c.walk(t.Recurrence.Value, t.Recurrence.Path, at)
	}
	c.walk(t.SplitOn, p.Of("splitOn"), at)
	for _, cond := range t.Conditions {
		c.walk(cond.Expression, cond.Path.Of("expression"), at)
	}
	if t.Correlation != nil {
		c.walk(t.Correlation, p.Of("correlation").Of("clientTrackingId"), at)
	}
	at.tracked = true
	c.walk(t.Tracked, p.Of("trackedProperties"), at)
	c.connection(&t.Operation)
}

func (c *checker) action(a *Action) {
	p := a.Path
	at := place{a: a}
	c.inputs(a, at)
	until := at
	until.until = a.Is("Until") || a.opaque
	c.walk(a.Expression, p.Of("expression"), until)
	c.walk(a.Foreach, p.Of("foreach"), at)
	for _, k := range a.Cases {
		c.walk(k.Value, k.Path.Of("case"), at)
	}
	c.walk(a.Limit.Count, a.Limit.Path.Of("count"), at)
	c.walk(a.Limit.Timeout, a.Limit.Path.Of("timeout"), at)
	tracked := at
	tracked.tracked = true
	c.walk(a.Tracked, p.Of("trackedProperties"), tracked)
	c.target(a)
	c.dependencies(a)
	c.connection(&a.Operation)
}

// connection checks that the project has the connection that an operation names.
func (c *checker) connection(o *Operation) {
	if c.Connections == nil {
		return
	}
	p := o.Path.Of("inputs")
	for _, at := range [][]string{{"host", "connection", "referenceName"}, {"serviceProviderConfiguration", "connectionName"}, {"function", "connectionName"}, {"connection", "referenceName"}} {
		v, path := o.Inputs, p
		for _, step := range at {
			v, path = v.Get(step), path.Of(step)
		}
		if v.Is(document.String) && !c.later(v) && !hasFold(c.Connections, v.Text) {
			c.error(path, v, "connection-missing", "connections.json has no connection %q", v.Text)
		}
	}
}

func (c *checker) inputs(a *Action, at place) {
	p := a.Path.Of("inputs")
	at.webhook = a.opaque || strings.Contains(a.Type, "Webhook") || strings.Contains(a.Type, "Notification")
	if !a.Inputs.Is(document.Object) {
		c.walk(a.Inputs, p, at)
		return
	}
	for _, m := range a.Inputs.Members {
		where := at
		where.item = a.opaque || a.Is("Query") && m.Name == "where" || a.Is("Select") && m.Name == "select" || a.Is("Table") && m.Name == "columns"
		where.unsubscribe = m.Name == "unsubscribe"
		if m.Name == "schema" && a.Is("ParseJson") {
			continue // a schema is not evaluated string by string
		}
		c.walk(m.Value, p.Of(m.Name), where)
	}
}

// walk checks every string in a value.
func (c *checker) walk(v *document.Value, p document.Path, at place) {
	if v == nil {
		return
	}
	switch v.Kind {
	case document.String:
		c.text(v, p, at)
	case document.Array:
		for i, item := range v.Items {
			c.walk(item, p.At(i), at)
		}
	case document.Object:
		for _, m := range v.Members {
			c.walk(m.Value, p.Of(m.Name), at)
		}
	}
}

func (c *checker) text(v *document.Value, p document.Path, at place) {
	if c.Expressions == nil || !isExpression(v.Text) || c.brackets && bracketed(v.Text) {
		return
	}
	if n := utf8.RuneCountInString(v.Text); n > c.Limits.ExpressionCharsMax && strings.HasPrefix(v.Text, "@") && !strings.HasPrefix(v.Text, "@{") {
		c.error(p, v, "limit-exceeded", "the expression has %d characters, at most %d are allowed", n, c.Limits.ExpressionCharsMax)
	}
	faults := c.Expressions.Check(v.Text)
	if len(faults) > 0 && (placeholders.MatchString(v.Text) || pieces.MatchString(v.Text)) {
		c.warn(p, v, "placeholder", "%.60q has a placeholder in it and is judged when that is filled", v.Text)
		return
	}
	for _, f := range faults {
		severity := Error
		if f.Mild {
			severity = Warning
		}
		c.say(severity, p, v, "expression", "%s (column %d of the string)", f.Message, f.Column)
	}
	calls := c.Expressions.Calls(v.Text)
	for _, call := range calls {
		c.call(call, v, p, at)
	}
	if at.tracked && at.a != nil && at.a.Runtime.Chunked && slices.ContainsFunc(calls, func(k Call) bool { return k.Function == "action" }) &&
		content.MatchString(v.Text) {
		c.error(p, v, "tracked-chunked", "%s transfers its content in chunks, so a tracked property cannot look into its inputs and outputs", at.a.Name)
	}
}

// pieces are what is left of a template's concat() that nobody evaluated, and the
// bare @name by which test suites mark what they fill in.
var pieces = regexp.MustCompile(`',\s*(variables|parameters)\('|^@[A-Za-z_]+$`)

// content is how an expression looks into what an action got or gave.
var content = regexp.MustCompile(`(?i)(\.|\[')(outputs|inputs|body)\b`)

// ofAction are the functions whose first argument names an action.
var ofAction = []string{"actions", "body", "outputs", "actionbody", "actionoutputs", "formdatavalue", "formdatamultivalues", "multipartbody"}

func (c *checker) call(call Call, v *document.Value, p document.Path, at place) {
	if placeholders.MatchString(call.Name) {
		return
	}
	switch f := call.Function; {
	case at.tracked && slices.Contains([]string{"result", "items", "item", "iterationindexes"}, f):
		c.error(p, v, "tracked-reference", "a tracked property sees its own action, the trigger and parameters; %s() looks at others", f)
	case slices.Contains(ofAction, f):
		c.askAction(call, v, p, at)
	case f == "result":
		c.askResult(call, v, p, at)
	case f == "parameters":
		c.askParameter(call, v, p)
	case f == "variables":
		c.askVariable(call, v, p, at)
	case f == "item":
		if !at.item && (at.a == nil || !inForeach(at.a, at.a.Is("Foreach") && strings.HasSuffix(string(p), ".foreach"))) {
			c.error(p, v, "item-outside-loop", "item() stands outside of a Foreach and of the members of Query, Select and Table that see items")
		}
	case f == "items":
		c.askItems(call, v, p, at)
	case f == "iterationindexes":
		c.askIterations(call, v, p, at)
	case f == "action":
		if call.Args == 0 && !at.tracked && !at.unsubscribe && !at.until {
			c.error(p, v, "action-outside", "action() speaks of the current action; it may stand in trackedProperties, in unsubscribe and in the expression of an Until")
		}
	case f == "listcallbackurl":
		if call.Args == 0 && (!at.webhook || at.tracked) {
			c.error(p, v, "callback-outside", "listCallbackUrl() may stand in the inputs of a webhook only: nothing else waits to be called back")
		}
	}
}

// inForeach reports whether an action stands in a Foreach, or is an opaque one.
func inForeach(a *Action, outer bool) bool {
	for o := a.In.Owner; o != nil; o = o.In.Owner {
		if o.Is("Foreach") || o.opaque {
			return true
		}
	}
	return !outer && a.opaque
}

func (c *checker) askAction(call Call, v *document.Value, p document.Path, at place) {
	if at.tracked {
		c.error(p, v, "tracked-reference", "a tracked property sees its own action, the trigger and parameters; %s() looks at others: use action()", call.Function)
		return
	}
	if !call.Literal || at.t != nil && call.Args == 0 {
		return
	}
	other := c.d.Action(call.Name)
	switch {
	case other == nil && c.d.trigger(call.Name) != nil:
		c.error(p, v, "reference-missing", "%s('%s') names the trigger, not an action; use triggerBody() or triggerOutputs()", call.Function, call.Name)
	case other == nil:
		c.error(p, v, "reference-missing", "%s('%s') names an action that does not exist", call.Function, call.Name)
	case at.a == nil && at.t != nil:
		c.error(p, v, "reference-not-ahead", "%s('%s') in a trigger: no action has run by then", call.Function, call.Name)
	case at.a == nil:
	case other == at.a:
		if !at.until && !at.unsubscribe {
			c.error(p, v, "reference-self", "%s asks for its own result, which is not there before it has run", at.a.Name)
		}
	default:
		c.order(call, other, v, p, at)
	}
}

// order checks that an action has ended when an expression asks for it.
func (c *checker) order(call Call, other *Action, v *document.Value, p document.Path, at place) {
	if at.until && inside(other, at.a) || c.d.ahead(other, at.a) || c.loose(at.a) {
		return
	}
	if inside(at.a, other) {
		c.error(p, v, "reference-not-ahead", "%s('%s') asks for the result of an action that %s is a part of", call.Function, call.Name, at.a.Name)
		return
	}
	c.error(p, v, "reference-not-ahead", "%s('%s') names an action that need not have ended when %s begins; let %s run after it", call.Function, call.Name, at.a.Name, at.a.Name)
}

// inside reports whether an action stands in another one, at whatever depth.
func inside(a, outer *Action) bool {
	for o := a.In.Owner; o != nil; o = o.In.Owner {
		if o == outer {
			return true
		}
	}
	return false
}

// loose reports whether the order around an action is known only later.
func (c *checker) loose(a *Action) bool {
	for one := a; one != nil; one = one.In.Owner {
		if after, _ := one.Value.Fold("runAfter"); c.later(after) {
			return true
		}
	}
	return false
}

func (c *checker) askResult(call Call, v *document.Value, p document.Path, at place) {
	if !call.Literal {
		return
	}
	other := c.d.Action(call.Name)
	switch {
	case other == nil:
		c.error(p, v, "reference-missing", "result('%s') names an action that does not exist", call.Name)
	case len(other.Graphs()) == 0 && !other.opaque:
		c.error(p, v, "reference-not-scope", "result('%s') names an action of type %s, which holds no others; it is for Scope, Foreach, Until, If and Switch", call.Name, other.Type)
	case at.a == nil:
	case other == at.a:
		if !at.until {
			c.error(p, v, "reference-self", "%s asks for its own result, which is not there before it has run", at.a.Name)
		}
	default:
		c.order(call, other, v, p, at)
	}
}

func (c *checker) askParameter(call Call, v *document.Value, p document.Path) {
	if !call.Literal || c.d.Parameter(call.Name) != nil || hasFold(c.Settings.Parameters, call.Name) {
		return
	}
	if c.d.parametersOpen {
		c.warn(p, v, "parameter-missing", "the parameter %q is not declared in this file; the project's parameters.json must have it", call.Name)
		return
	}
	// The cloud stores this, and fails what names it: public definitions are around.
	c.warn(p, v, "parameter-missing", "there is no parameter %q: what names it fails when it is run", call.Name)
}

func hasFold(words []string, s string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, s) })
}

func (c *checker) askVariable(call Call, v *document.Value, p document.Path, at place) {
	if at.tracked {
		c.error(p, v, "tracked-reference", "a tracked property sees its own action, the trigger and parameters, not variables")
		return
	}
	if !call.Literal {
		return
	}
	declared, ok := c.vars[strings.ToLower(call.Name)]
	switch {
	case !ok:
		c.error(p, v, "variable-missing", "no action initialises the variable %q", call.Name)
	case at.a == nil:
		if at.t != nil {
			c.error(p, v, "variable-early", "the variable %q is used in a trigger: nothing is initialised by then", call.Name)
		}
	case declared.by == at.a:
		c.error(p, v, "variable-early", "the variable %q is used by the action that initialises it", call.Name)
	case declared.by.In.Owner == nil && !c.d.ahead(declared.by, at.a) && !c.loose(at.a):
		c.early(call.Name, declared.by, at.a, v, p)
	case at.a.Is("SetVariable") && sameVariable(at.a, call.Name):
		c.error(p, v, "variable-self", "a SetVariable cannot read the variable that it sets; compose the value first")
	}
}

// early says that a variable is used before it is initialised: an error when it is
// initialised later for certain, a warning when that happens at the same time.
func (c *checker) early(name string, by, user *Action, v *document.Value, p document.Path) {
	if c.d.ahead(user, by) || inside(user, by) || !c.parallelTo(by, user) {
		c.error(p, v, "variable-early", "the variable %q is used by %s before %s initialises it", name, user.Name, by.Name)
		return
	}
	c.warn(p, v, "variable-early", "the variable %q need not be initialised when %s begins; let it run after %s", name, user.Name, by.Name)
}

// parallelTo reports whether two actions may run at the same time.
func (c *checker) parallelTo(one, other *Action) bool {
	for o := other; o != nil; o = o.In.Owner {
		if o.In == one.In {
			return !o.In.reaches(one, o)
		}
	}
	return true
}

func sameVariable(a *Action, name string) bool {
	s, ok := a.Inputs.Get("name").Str()
	return ok && strings.EqualFold(s, name)
}

// target checks the variable that an action changes.
func (c *checker) target(a *Action) {
	if !a.Is("SetVariable", "IncrementVariable", "DecrementVariable", "AppendToArrayVariable", "AppendToStringVariable") {
		return
	}
	name := a.Inputs.Get("name")
	if !name.Is(document.String) || c.later(name) {
		return
	}
	p := a.Path.Of("inputs").Of("name")
	declared, ok := c.vars[strings.ToLower(name.Text)]
	switch {
	case !ok:
		c.error(p, name, "variable-missing", "no action initialises the variable %q", name.Text)
	case declared.by.In.Owner == nil && !c.d.ahead(declared.by, a) && !c.loose(a):
		c.early(name.Text, declared.by, a, name, p)
	}
}

func (c *checker) askItems(call Call, v *document.Value, p document.Path, at place) {
	if !call.Literal || at.a == nil {
		if at.a == nil {
			c.error(p, v, "item-outside-loop", "items() stands outside of a Foreach")
		}
		return
	}
	for o := at.a.In.Owner; o != nil; o = o.In.Owner {
		if fold(o.Name) == fold(call.Name) {
			if !o.Is("Foreach") && !o.opaque {
				c.error(p, v, "item-outside-loop", "items('%s') names an action of type %s; it is for a Foreach", call.Name, o.Type)
			}
			return
		}
	}
	c.error(p, v, "item-outside-loop", "items('%s') names no Foreach around this action", call.Name)
}

func (c *checker) askIterations(call Call, v *document.Value, p document.Path, at place) {
	if !call.Literal || at.a == nil {
		return
	}
	for o := at.a; o != nil; o = o.In.Owner {
		if fold(o.Name) == fold(call.Name) && (o.Is("Until") || o.opaque) {
			return
		}
	}
	c.error(p, v, "iteration-outside", "iterationIndexes('%s') names no Until around this action", call.Name)
}

// dependencies checks what a script says it depends on.
func (c *checker) dependencies(a *Action) {
	if !a.Is("JavaScriptCode") {
		return
	}
	list := a.Inputs.Get("explicitDependencies").Get("actions")
	if !list.Is(document.Array) {
		return
	}
	p := a.Path.Of("inputs").Of("explicitDependencies").Of("actions")
	for i, item := range list.Items {
		name, ok := item.Str()
		if !ok || c.later(item) {
			if !ok {
				c.error(p.At(i), item, "wrong-type", "a dependency must be the name of an action, not %s", shown(item))
			}
			continue
		}
		switch other := c.d.Action(name); {
		case other == nil:
			c.error(p.At(i), item, "dependency-missing", "the script depends on %q, and there is no such action", name)
		case other.Is("Foreach", "Until"):
			c.error(p.At(i), item, "dependency-missing", "the script depends on the loop %q; scripts see results of actions, not of loops", name)
		case other == a || !c.d.ahead(other, a) && !c.loose(a):
			c.error(p.At(i), item, "dependency-missing", "the script depends on %q, which need not have ended when it begins", name)
		}
	}
}
