package deploy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"weir/kernel/resource"
)

// adapt writes the properties of a document as its type declares them, where a template
// has them otherwise and Azure takes them all the same: names in another case, booleans
// and numbers as strings, durations as days and hours. What the type does not declare is
// listed, and taken out when it is to be left out.
func adapt(t *resource.Type, properties map[string]any, leaveOut bool) (unknown []string) {
	if t == nil {
		return nil
	}
	return adaptObject(t.Fields, properties, "properties", leaveOut)
}

func adaptObject(fields []resource.Field, m map[string]any, path string, leaveOut bool) (unknown []string) {
	for _, name := range sorted(m) {
		i := slices.IndexFunc(fields, func(f resource.Field) bool { return strings.EqualFold(f.Name, name) })
		if i < 0 {
			unknown = append(unknown, path+"."+name)
			if leaveOut {
				delete(m, name)
			}
			continue
		}
		f, v := fields[i], m[name]
		if f.Name != name {
			if _, both := m[f.Name]; both {
				continue // the registry says that there are two
			}
			delete(m, name)
		}
		v, more := adaptValue(f, v, path+"."+f.Name, leaveOut)
		m[f.Name] = v
		unknown = append(unknown, more...)
	}
	return unknown
}

func adaptValue(f resource.Field, v any, path string, leaveOut bool) (any, []string) {
	text, isText := v.(string)
	switch {
	case f.Kind == resource.Object:
		if inner, ok := v.(map[string]any); ok {
			return v, adaptObject(f.Fields, inner, path, leaveOut)
		}
	case f.Kind == resource.List && f.Element != nil:
		list, ok := v.([]any)
		if !ok {
			return v, nil
		}
		var unknown []string
		for i := range list {
			one, more := adaptValue(*f.Element, list[i], fmt.Sprintf("%s[%d]", path, i), leaveOut)
			list[i], unknown = one, append(unknown, more...)
		}
		return list, unknown
	case f.Kind == resource.Bool && isText:
		if strings.EqualFold(text, "true") || strings.EqualFold(text, "false") {
			return strings.EqualFold(text, "true"), nil
		}
	case f.Kind == resource.Int && isText:
		if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
			return n, nil
		}
	case f.Kind == resource.Int:
		if n, ok := v.(float64); ok && n == float64(int64(n)) {
			return int64(n), nil
		}
	case f.Kind == resource.Duration && isText:
		return duration(text), nil
	case f.Kind == resource.Enum && isText:
		for _, allowed := range f.Values {
			if strings.EqualFold(allowed, text) {
				return allowed, nil
			}
		}
	case f.Kind == resource.String:
		switch n := v.(type) {
		case int64:
			return strconv.FormatInt(n, 10), nil
		case bool:
			return strconv.FormatBool(n), nil
		}
	}
	return v, nil
}

// span is a duration as .NET writes it: days, then hours, minutes and seconds.
var span = regexp.MustCompile(`^(?:(\d{1,8})\.)?(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,7})?))?$`)

// duration writes such a duration as ISO 8601 does; any other text stays as it is.
func duration(text string) string {
	m := span.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return text
	}
	iso, time := "P", ""
	part := func(s, unit string) string {
		if s = strings.TrimLeft(s, "0"); s == "" {
			return ""
		}
		if s[0] == '.' {
			s = "0" + s
		}
		return s + unit
	}
	iso += part(m[1], "D")
	time = part(m[2], "H") + part(m[3], "M") + part(m[4], "S")
	if time != "" {
		iso += "T" + time
	}
	if iso == "P" {
		return "PT0S"
	}
	return iso
}
