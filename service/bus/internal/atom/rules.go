package atom

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/internal/iso8601"
	"weir/kernel/fault"
	"weir/kernel/resource"
)

// filterTypes are the filters by their names in XML, which are those of resources too.
var filterTypes = []string{"SqlFilter", "CorrelationFilter", "TrueFilter", "FalseFilter"}

// correlationElements are the system properties of a correlation filter, in order, with
// their names in resources.
var correlationElements = []struct{ element, property string }{
	{"CorrelationId", "correlationId"}, {"MessageId", "messageId"}, {"To", "to"}, {"ReplyTo", "replyTo"}, {"Label", "label"},
	{"SessionId", "sessionId"}, {"ReplyToSessionId", "replyToSessionId"}, {"ContentType", "contentType"},
}

// ruleProperties reads a rule's description. name is what it calls the rule.
func ruleProperties(d *element) (name string, p map[string]any, err error) {
	p = map[string]any{"filterType": "TrueFilter"}
	for _, e := range d.sub {
		switch e.name {
		case "Filter":
			err = readFilter(p, e)
		case "Action":
			err = readAction(p, e)
		case "Name":
			name = e.text
		case "CreatedAt", "Tag":
		default:
			err = fault.New(fault.Invalid, "The element '%s' of a rule is not known here.", e.name)
		}
		if err != nil {
			return name, nil, err
		}
	}
	return name, p, nil
}

func readFilter(p map[string]any, e *element) error {
	if e.null {
		return nil
	}
	if !slices.Contains(filterTypes, e.typ) {
		return fault.New(fault.Invalid, "A filter of the type '%s' is not known here: there are %s.", e.typ, strings.Join(filterTypes, ", "))
	}
	p["filterType"] = e.typ
	switch e.typ {
	case "SqlFilter":
		sql, err := readSQL(e)
		p["sqlFilter"] = sql
		return err
	case "CorrelationFilter":
		c, err := readCorrelation(e)
		p["correlationFilter"] = c
		return err
	}
	_, err := readSQL(e) // it says 1=1 or 1=0
	return err
}

func readAction(p map[string]any, e *element) error {
	switch {
	case e.null || e.typ == "EmptyRuleAction":
		return nil
	case e.typ != "SqlRuleAction":
		return fault.New(fault.Invalid, "An action of the type '%s' is not known here: there are SqlRuleAction and EmptyRuleAction.", e.typ)
	}
	sql, err := readSQL(e)
	p["action"] = sql
	return err
}

// readSQL reads an expression with its parameters.
func readSQL(e *element) (map[string]any, error) {
	sql := map[string]any{}
	for _, s := range e.sub {
		switch s.name {
		case "SqlExpression":
			sql["sqlExpression"] = s.text
		case "CompatibilityLevel", "RequiresPreprocessing":
			// there is one language, and nothing that is to be processed before
		case "Parameters":
			values, err := readValues(s)
			if err != nil {
				return nil, err
			}
			if len(values) > 0 {
				sql["parameters"] = values
			}
		default:
			return nil, fault.New(fault.Invalid, "The element '%s' of a %s is not known here.", s.name, e.typ)
		}
	}
	return sql, nil
}

func readCorrelation(e *element) (map[string]any, error) {
	c := map[string]any{}
	for _, s := range e.sub {
		i := slices.IndexFunc(correlationElements, func(x struct{ element, property string }) bool { return x.element == s.name })
		switch {
		case i >= 0:
			if !s.null && s.text != "" {
				c[correlationElements[i].property] = s.text
			}
		case s.name == "Properties":
			values, err := readValues(s)
			if err != nil {
				return nil, err
			}
			if len(values) > 0 {
				c["properties"] = values
			}
		case s.name == "RequiresPreprocessing":
		default:
			return nil, fault.New(fault.Invalid, "The element '%s' of a CorrelationFilter is not known here.", s.name)
		}
	}
	return c, nil
}

// readValues reads a list of named values.
func readValues(e *element) (map[string]any, error) {
	values := map[string]any{}
	for _, pair := range e.sub {
		if pair.name != "KeyValueOfstringanyType" {
			return nil, fault.New(fault.Invalid, "The element '%s' among %s is not known here: values are KeyValueOfstringanyType.", pair.name, e.name)
		}
		key, ok := pair.value("Key")
		given := pair.find("Value")
		if !ok || given == nil {
			return nil, fault.New(fault.Invalid, "Each of the %s needs a Key and a Value.", e.name)
		}
		if _, twice := values[key]; twice {
			return nil, fault.New(fault.Invalid, "The value '%s' comes twice.", key)
		}
		v, err := readValue(given)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "The value '%s' %s.", key, err)
		}
		values[key] = v
	}
	return values, nil
}

// typed is a value that JSON has no form of its own for, as resources write it.
func typed(kind, text string) map[string]any { return map[string]any{"type": kind, "value": text} }

// readValue reads one value into the form resources have for it.
func readValue(e *element) (any, error) {
	text := strings.TrimSpace(e.text)
	if e.null {
		return nil, errors.New("is null, which rules cannot hold")
	}
	switch e.typ {
	case "string", "":
		return e.text, nil
	case "boolean":
		b, err := strconv.ParseBool(text)
		if err != nil {
			err = fmt.Errorf("is neither true nor false: '%s'", text)
		}
		return b, err
	case "int", "short", "byte", "unsignedByte", "unsignedShort", "unsignedInt":
		n, err := wholeNumber(text)
		if err == nil && e.typ == "int" && int64(int32(n)) != n {
			return typed("int", text), nil // the Go client calls its longs so
		}
		return n, err
	case "long", "unsignedLong":
		n, err := wholeNumber(text)
		return typed("long", strconv.FormatInt(n, 10)), err
	case "double", "float", "decimal":
		n, err := strconv.ParseFloat(text, 64)
		switch {
		case err != nil || math.IsNaN(n) || math.IsInf(n, 0):
			return nil, fmt.Errorf("is no number: '%s'", text)
		case n == math.Trunc(n):
			return typed("double", text), nil
		}
		return n, nil
	case "dateTime":
		t, err := parseTime(text)
		return typed("dateTime", t.Format(time.RFC3339Nano)), err
	case "duration":
		d, err := iso8601.Parse(text)
		return typed("duration", d.String()), err
	case "guid":
		return typed("guid", text), nil
	}
	return nil, fmt.Errorf("has the type '%s', which rules cannot hold", e.typ)
}

func wholeNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		err = fmt.Errorf("is no whole number of 64 bits: '%s'", text)
	}
	return n, err
}

// parseTime reads a time with a zone, or without one, which is UTC.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		var bare error
		if t, bare = time.Parse("2006-01-02T15:04:05.999999999", text); bare != nil {
			return t, fmt.Errorf("is no time: '%s'", text)
		}
	}
	return t.UTC(), nil
}

// writeRule writes the description of a rule.
func writeRule(w *writer, d resource.Document) {
	w.open(ruleNoun.element, "xmlns", nsContract, "xmlns:i", nsInstance)
	writeFilter(w, d)
	action, _ := d.Properties["action"].(map[string]any)
	if text, _ := action["sqlExpression"].(string); text != "" {
		w.open("Action", "i:type", "SqlRuleAction")
		writeSQL(w, text, action)
	} else {
		w.open("Action", "i:type", "EmptyRuleAction")
	}
	w.close("Action")
	w.text("CreatedAt", stamp(d.Created))
	w.text("Name", d.Name())
	w.close(ruleNoun.element)
}

func writeFilter(w *writer, d resource.Document) {
	kind := d.String("filterType")
	w.open("Filter", "i:type", kind)
	switch kind {
	case "TrueFilter":
		writeSQL(w, "1=1", nil)
	case "FalseFilter":
		writeSQL(w, "1=0", nil)
	case "CorrelationFilter":
		c, _ := d.Properties["correlationFilter"].(map[string]any)
		for _, e := range correlationElements {
			if text, _ := c[e.property].(string); text != "" {
				w.text(e.element, text)
			}
		}
		writeValues(w, "Properties", c["properties"])
	default:
		sql, _ := d.Properties["sqlFilter"].(map[string]any)
		text, _ := sql["sqlExpression"].(string)
		writeSQL(w, text, sql)
	}
	w.close("Filter")
}

// compatibilityLevel is the only one there has ever been.
const compatibilityLevel = "20"

func writeSQL(w *writer, text string, sql map[string]any) {
	w.text("SqlExpression", text)
	w.text("CompatibilityLevel", compatibilityLevel)
	writeValues(w, "Parameters", sql["parameters"])
}

// writeValues writes named values, by name. Each says its type with a prefix of four
// letters: the JavaScript client cuts off five.
func writeValues(w *writer, element string, given any) {
	values, _ := given.(map[string]any)
	if len(values) == 0 {
		return
	}
	w.open(element)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		kind, text := valueText(values[name])
		space := nsSchema
		if kind == "guid" {
			space = nsGUID
		}
		w.open("KeyValueOfstringanyType")
		w.text("Key", name)
		w.text("Value", text, "i:type", "d6p1:"+kind, "xmlns:d6p1", space)
		w.close("KeyValueOfstringanyType")
	}
	w.close(element)
}

func valueText(v any) (kind, text string) {
	switch x := v.(type) {
	case bool:
		return "boolean", strconv.FormatBool(x)
	case int64:
		if int64(int32(x)) != x {
			return "long", strconv.FormatInt(x, 10)
		}
		return "int", strconv.FormatInt(x, 10)
	case float64:
		return "double", strconv.FormatFloat(x, 'g', -1, 64)
	case map[string]any:
		kind, _ = x["type"].(string)
		text, _ = x["value"].(string)
		return kind, text
	case string:
		return "string", x
	}
	return "string", ""
}
