package run

import (
	"fmt"
	"strings"

	"weir/service/workflow/internal/expression"
)

// dataAction gives outputs of inputs: the outputs, or why there are none. Outputs with a
// failure are kept beside it.
type dataAction func(m *machine, i *instance, n *node, in any) (any, failure)

// dataActions are the actions that need nothing but values; those in uncoded end
// without a code of their own, as the engine's do.
var dataActions = map[string]dataAction{
	"Compose": func(_ *machine, _ *instance, _ *node, in any) (any, failure) { return in, failure{} },
	"Query":   query, "Select": selected, "Join": joined, "Table": table, "ParseJson": parseJSON, "Expression": calculated,
}

func (m *machine) data(i *instance, n *node) {
	in, why := m.eval(i, n, n.inputs)
	if why.given() {
		m.fails(i, Payload{}, why)
		return
	}
	out, why := dataActions[n.Type](m, i, n, in)
	if m.err != nil {
		return
	}
	f := &Fact{Status: Succeeded, Code: codeOK, Inputs: value(in)}
	if n.Is("Query", "Select") {
		f.Code = codeNone
	}
	if why.given() {
		f.Status, f.Code, f.Error = Failed, why.code, why.payload()
	}
	if out != nil || !why.given() {
		f.Outputs = value(out)
	}
	m.acted(i, f)
}

func body(v any) *expression.Object { return expression.NewObject("body", v) }

// from gives the array that an action goes over.
func from(n *node, in any) ([]any, failure) {
	o, _ := in.(*expression.Object)
	var v any
	if o != nil {
		v, _ = o.Get("from")
	}
	if list, ok := v.([]any); ok {
		return list, failure{}
	}
	return nil, failure{"BadRequest", fmt.Sprintf("The 'from' property value in the '%s' action inputs is of type '%s'. The value must be an array.", strings.ToLower(n.Type), typeName(v))}
}

func query(m *machine, i *instance, n *node, in any) (any, failure) {
	list, why := from(n, in)
	kept := []any{}
	for _, item := range list {
		yes, why := m.holds(i, n, n.each, item, true)
		if why.given() {
			return nil, why
		}
		if yes {
			kept = append(kept, item)
		}
	}
	if why.given() {
		return nil, why
	}
	return body(kept), failure{}
}

func selected(m *machine, i *instance, n *node, in any) (any, failure) {
	list, why := from(n, in)
	if why.given() {
		return nil, why
	}
	made := make([]any, 0, len(list))
	for _, item := range list {
		v, why := m.evalItem(i, n, n.each, item, true)
		if why.given() {
			return nil, why
		}
		made = append(made, v)
	}
	return body(made), failure{}
}

func joined(m *machine, i *instance, n *node, in any) (any, failure) {
	list, why := from(n, in)
	if why.given() {
		return nil, why
	}
	by, _ := in.(*expression.Object).Get("joinWith")
	texts := make([]string, len(list))
	for k, item := range list {
		texts[k] = expression.Text(item)
	}
	return body(strings.Join(texts, expression.Text(by))), failure{}
}

// calculations are the kinds of Expression: the function each is, and the inputs that
// are its parameters, in their order; those with ? may be missing.
var calculations = map[string]struct {
	function string
	inputs   []string
}{
	"currenttime":      {"utcNow", nil},
	"addtotime":        {"addToTime", []string{"baseTime", "interval", "timeUnit"}},
	"subtractfromtime": {"subtractFromTime", []string{"baseTime", "interval", "timeUnit"}},
	"getpasttime":      {"getPastTime", []string{"interval", "timeUnit"}},
	"getfuturetime":    {"getFutureTime", []string{"interval", "timeUnit"}},
	"converttimezone":  {"convertTimeZone", []string{"baseTime", "sourceTimeZone", "destinationTimeZone", "formatString?"}},
	"formatnumber":     {"formatNumber", []string{"number", "format", "locale?"}},
	"indexof":          {"indexOf", []string{"fullText", "searchText"}},
	"substring":        {"substring", []string{"text", "startingPosition", "length?"}},
}

func calculated(m *machine, i *instance, n *node, in any) (any, failure) {
	c, ok := calculations[strings.ToLower(n.Kind)]
	if !ok {
		return nil, failure{codeUnsupported, fmt.Sprintf("The action '%s' is an Expression of kind '%s', which this engine does not know.", n.Action.Name, n.Kind)}
	}
	o, _ := in.(*expression.Object)
	if o == nil {
		o = &expression.Object{}
	}
	var args []any
	for _, name := range c.inputs {
		short, optional := strings.CutSuffix(name, "?")
		v, given := o.Get(short)
		switch {
		case !given && optional:
			continue
		case !given && short == "sourceTimeZone":
			v = "UTC"
		case !given && short == "startingPosition":
			v = int64(0)
		}
		if k, ok := whole(v); ok && (short == "interval" || short == "startingPosition" || short == "length") {
			v = k
		}
		args = append(args, v)
	}
	v, err := expression.Lookup(c.function).Call(m.scope(i, n, nil, false), m.e.Limits.ExpressionBudget, args...)
	if err != nil {
		return nil, m.template(n, n.inputs, err)
	}
	return body(v), failure{}
}

// table writes an array of objects as CSV or HTML.
func table(m *machine, i *instance, n *node, in any) (any, failure) {
	list, why := from(n, in)
	if why.given() {
		return nil, why
	}
	o := in.(*expression.Object)
	word, _ := o.Get("format")
	html := strings.EqualFold(expression.Text(word), "html")
	if !html && !strings.EqualFold(expression.Text(word), "csv") {
		return nil, failure{"BadRequest", fmt.Sprintf("The action '%s' makes a table of format '%s'; it may be CSV or HTML.", n.Action.Name, expression.Text(word))}
	}
	var rows [][]string
	var heads []string
	if len(n.columns) == 0 {
		heads, rows = columnsOf(list)
	}
	for k := range n.columns {
		v, why := m.eval(i, n, n.columns[k].header)
		if why.given() {
			return nil, why
		}
		heads = append(heads, expression.Text(v))
	}
	for _, item := range list {
		if len(n.columns) == 0 {
			break
		}
		var row []string
		for k := range n.columns {
			v, why := m.evalItem(i, n, n.columns[k].value, item, true)
			if why.given() {
				return nil, why
			}
			row = append(row, expression.Text(v))
		}
		rows = append(rows, row)
	}
	if html {
		return body(asHTML(heads, rows)), failure{}
	}
	return body(asCSV(heads, rows)), failure{}
}

// columnsOf takes the columns of the items: every name that one of them has, in the
// order in which they come.
func columnsOf(list []any) (heads []string, rows [][]string) {
	at := map[string]bool{}
	for _, item := range list {
		if o, ok := item.(*expression.Object); ok {
			for _, m := range o.Members {
				if !at[m.Name] {
					at[m.Name] = true
					heads = append(heads, m.Name)
				}
			}
		}
	}
	for _, item := range list {
		row := make([]string, len(heads))
		if o, ok := item.(*expression.Object); ok {
			for k, name := range heads {
				v, _ := o.Exact(name)
				row[k] = expression.Text(v)
			}
		}
		rows = append(rows, row)
	}
	return heads, rows
}

func asCSV(heads []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) {
		for k, c := range cells {
			if k > 0 {
				b.WriteByte(',')
			}
			if strings.ContainsAny(c, ",\"\r\n") {
				c = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
			}
			b.WriteString(c)
		}
		b.WriteString("\r\n")
	}
	line(heads)
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

var htmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

func asHTML(heads []string, rows [][]string) string {
	var b strings.Builder
	line := func(tag string, cells []string) {
		b.WriteString("<tr>")
		for _, c := range cells {
			b.WriteString("<" + tag + ">" + htmlEscapes.Replace(c) + "</" + tag + ">")
		}
		b.WriteString("</tr>")
	}
	b.WriteString("<table><thead>")
	line("th", heads)
	b.WriteString("</thead><tbody>")
	for _, row := range rows {
		line("td", row)
	}
	b.WriteString("</tbody></table>")
	return b.String()
}
