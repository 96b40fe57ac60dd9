package template

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"weir/internal/jsonc"
)

// textBytesMax bounds a string that a function makes.
const textBytesMax = 4 << 20

var errTextTooLong = fmt.Errorf("the string would be longer than %d MiB", textBytesMax>>20)

func stringFunctions() []*function {
	of := func(name, arg, summary string, fn func(string) (any, error)) *function {
		return &function{name: name, group: "string", least: 1, most: 1, usage: name + "(" + arg + ")", summary: summary, run: ofText(fn)}
	}
	return []*function{
		of("base64", "string", "The string in base64.", func(s string) (any, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }),
		of("base64ToString", "string", "The string that is written in base64.", func(s string) (any, error) { return unbase64(s) }),
		of("base64ToJson", "string", "The JSON value that is written in base64.", func(s string) (any, error) {
			plain, err := unbase64(s)
			if err != nil {
				return nil, err
			}
			return fromJSON(plain)
		}),
		of("dataUri", "string", "The string as a data URI.", func(s string) (any, error) {
			return "data:text/plain;charset=utf8;base64," + base64.StdEncoding.EncodeToString([]byte(s)), nil
		}),
		of("dataUriToString", "string", "The string in a data URI.", fromDataURI),
		of("toLower", "string", "The string in lower case.", func(s string) (any, error) { return strings.ToLower(s), nil }),
		of("toUpper", "string", "The string in upper case.", func(s string) (any, error) { return strings.ToUpper(s), nil }),
		of("trim", "string", "The string without white space around it.", func(s string) (any, error) { return strings.TrimSpace(s), nil }),
		of("uriComponent", "string", "The string as it is written in a URI.", func(s string) (any, error) {
			return strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), nil
		}),
		of("uriComponentToString", "string", "The string that is written in a URI.", func(s string) (any, error) {
			plain, err := url.PathUnescape(s)
			if err != nil {
				return nil, fmt.Errorf("%q is not written as in a URI", s)
			}
			return plain, nil
		}),
		{name: "uri", group: "string", least: 2, most: 2, usage: "uri(base, relative)", summary: "A URI made of a base and what is relative to it.", run: ofTexts(joinURI)},
		{name: "endsWith", group: "string", least: 2, most: 2, usage: "endsWith(string, end)", summary: "Whether the string ends so, in any case.", run: ofTexts(func(s, end string) (any, error) {
			return strings.HasSuffix(strings.ToLower(s), strings.ToLower(end)), nil
		})},
		{name: "startsWith", group: "string", least: 2, most: 2, usage: "startsWith(string, start)", summary: "Whether the string begins so, in any case.", run: ofTexts(func(s, start string) (any, error) {
			return strings.HasPrefix(strings.ToLower(s), strings.ToLower(start)), nil
		})},
		{name: "format", group: "string", least: 1, most: -1, usage: "format(text, value, ...)", summary: "The text with {0}, {1} ... replaced, as String.Format in .NET.", run: format},
		{name: "guid", group: "string", least: 1, most: -1, usage: "guid(string, ...)", summary: "A GUID that is the same for the same strings.", run: hashed(guidOf)},
		{name: "uniqueString", group: "string", least: 1, most: -1, usage: "uniqueString(string, ...)", summary: "13 letters and digits that are the same for the same strings.", run: hashed(uniqueOf)},
		{name: "newGuid", group: "string", usage: "newGuid()", summary: "A random GUID; for default values of parameters.", run: func(e *env, _ []any) (any, error) {
			if e.place != inParameter {
				return nil, fmt.Errorf("it may stand in the default value of a parameter alone, and this is %s", e.place)
			}
			if e.world.o.NewGUID == nil {
				return nil, errors.New("there are no random values here")
			}
			return e.world.o.NewGUID(), nil
		}},
		{name: "join", group: "string", least: 2, most: 2, usage: "join(array, separator)", summary: "The elements in one string.", run: join},
		{name: "padLeft", group: "string", least: 2, most: 3, usage: "padLeft(string or integer, length, character)", summary: "The string made so long with characters in front, else with spaces.", run: padLeft},
		{name: "replace", group: "string", least: 3, most: 3, usage: "replace(string, old, new)", summary: "The string with one text in place of another.", run: replace},
		{name: "split", group: "string", least: 2, most: 2, usage: "split(string, separator or separators)", summary: "The parts of the string.", run: split},
		{name: "string", group: "string", least: 1, most: 1, usage: "string(value)", summary: "The value as text; arrays and objects as JSON.", run: func(_ *env, args []any) (any, error) { return text(args[0]), nil }},
		{name: "substring", group: "string", least: 2, most: 3, usage: "substring(string, start, length)", summary: "A part of the string.", run: substring},
	}
}

func unbase64(s string) (string, error) {
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if err != nil {
		return "", fmt.Errorf("%s is not in base64", describe(s))
	}
	return string(data), nil
}

func fromJSON(s string) (any, error) {
	v, err := jsonc.Parse([]byte(s))
	if err != nil {
		return nil, fmt.Errorf("%s is no JSON: %w", describe(s), err)
	}
	return literal(v), nil
}

func fromDataURI(s string) (any, error) {
	head, data, ok := strings.Cut(s, ",")
	if !ok || !strings.HasPrefix(strings.ToLower(head), "data:") {
		return nil, fmt.Errorf("%s is no data URI", describe(s))
	}
	if strings.HasSuffix(strings.ToLower(head), ";base64") {
		return unbase64(data)
	}
	plain, err := url.PathUnescape(data)
	if err != nil {
		return nil, fmt.Errorf("%s is no data URI", describe(s))
	}
	return plain, nil
}

// joinURI follows the documentation: what the base has behind its last slash goes.
func joinURI(base, relative string) (any, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme == "" {
		return nil, fmt.Errorf("%s is no whole URI", describe(base))
	}
	r, err := url.Parse(relative)
	if err != nil {
		return nil, fmt.Errorf("%s is no URI", describe(relative))
	}
	return u.ResolveReference(r).String(), nil
}

func hashed(fn func(string) string) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		parts := make([]string, len(args))
		for i := range args {
			s, err := asText(args, i)
			if err != nil {
				return nil, err
			}
			parts[i] = s
		}
		return fn(strings.Join(parts, "-")), nil
	}
}

func join(_ *env, args []any) (any, error) {
	list, err := asList(args, 0)
	if err != nil {
		return nil, err
	}
	separator, err := asText(args, 1)
	if err != nil {
		return nil, err
	}
	parts := make([]string, len(list))
	for i := range list {
		parts[i] = text(list[i])
	}
	return strings.Join(parts, separator), nil
}

func padLeft(_ *env, args []any) (any, error) {
	s, pad := text(args[0]), " "
	length, err := asInt(args, 1)
	if err != nil {
		return nil, err
	}
	if len(args) == 3 {
		if pad, err = asText(args, 2); err != nil || len([]rune(pad)) != 1 {
			return nil, wrong(args, 2, "one character")
		}
	}
	if length > 10_000 {
		return nil, errTextTooLong
	}
	return strings.Repeat(pad, max(0, int(length)-len([]rune(s)))) + s, nil
}

func replace(_ *env, args []any) (any, error) {
	var words [3]string
	for i := range words {
		s, err := asText(args, i)
		if err != nil {
			return nil, err
		}
		words[i] = s
	}
	if words[1] == "" {
		return nil, errors.New("what is to be replaced is empty")
	}
	if grown := strings.Count(words[0], words[1]) * (len(words[2]) - len(words[1])); len(words[0])+grown > textBytesMax {
		return nil, errTextTooLong
	}
	return strings.ReplaceAll(words[0], words[1], words[2]), nil
}

func split(_ *env, args []any) (any, error) {
	s, err := asText(args, 0)
	if err != nil {
		return nil, err
	}
	separators, ok := args[1].([]any)
	if !ok {
		separators = []any{args[1]}
	}
	parts := []string{s}
	for i := range separators {
		separator, err := asText(separators, i)
		if err != nil {
			return nil, wrong(args, 1, "a string or an array of strings")
		}
		if separator == "" {
			continue
		}
		var finer []string
		for _, p := range parts {
			finer = append(finer, strings.Split(p, separator)...)
		}
		parts = finer
	}
	list := make([]any, len(parts))
	for i := range parts {
		list[i] = parts[i]
	}
	return list, nil
}

func substring(_ *env, args []any) (any, error) {
	s, err := asText(args, 0)
	if err != nil {
		return nil, err
	}
	start, err := asInt(args, 1)
	if err != nil {
		return nil, err
	}
	runes := []rune(s)
	length := int64(len(runes)) - start
	if len(args) == 3 {
		if length, err = asInt(args, 2); err != nil {
			return nil, err
		}
	}
	if start < 0 || length < 0 || start > int64(len(runes)) || length > int64(len(runes))-start {
		return nil, fmt.Errorf("%d characters from position %d on are not in a string of %d", length, start, len(runes))
	}
	return string(runes[start : start+length]), nil
}

func contains(_ *env, args []any) (any, error) {
	switch v := args[0].(type) {
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return equal(item, args[1]) }), nil
	case *Object:
		_, ok := v.Get(text(args[1]))
		return ok, nil
	case string:
		return strings.Contains(v, text(args[1])), nil
	}
	return nil, wrong(args, 0, "an array, an object or a string")
}

func position(args []any, last bool) (any, error) {
	if list, ok := args[0].([]any); ok {
		found := int64(-1)
		for i, item := range list {
			if equal(item, args[1]) && (found < 0 || last) {
				found = int64(i)
			}
		}
		return found, nil
	}
	s, err := asText(args, 0)
	if err != nil {
		return nil, err
	}
	what, err := asText(args, 1)
	if err != nil {
		return nil, err
	}
	in, sought := []rune(strings.ToLower(s)), strings.ToLower(what)
	at := strings.Index(string(in), sought)
	if last {
		at = strings.LastIndex(string(in), sought)
	}
	if at < 0 {
		return int64(-1), nil
	}
	return int64(len([]rune(string(in)[:at]))), nil
}

// format is String.Format of .NET for what templates have: {0}, {0,8}, {0:N2}, {{.
func format(_ *env, args []any) (any, error) {
	pattern, err := asText(args, 0)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(pattern) && pattern[i+1] == c:
			b.WriteByte(c)
			i++
		case c == '{':
			end := strings.IndexByte(pattern[i:], '}')
			if end < 0 {
				return nil, fmt.Errorf("the '{' at position %d has no '}'; write {{ for a bracket", i)
			}
			item, err := formatItem(pattern[i+1:i+end], args[1:])
			if err != nil {
				return nil, err
			}
			b.WriteString(item)
			i += end
		case c == '}':
			return nil, fmt.Errorf("the '}' at position %d has no '{'; write }} for a bracket", i)
		default:
			b.WriteByte(c)
		}
		if b.Len() > textBytesMax {
			return nil, errTextTooLong
		}
	}
	return b.String(), nil
}

func formatItem(item string, values []any) (string, error) {
	item, form, _ := strings.Cut(item, ":")
	number, width, aligned := strings.Cut(item, ",")
	i, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || i < 0 {
		return "", fmt.Errorf("{%s} names no value: write {0} for the first", item)
	}
	if i >= len(values) {
		return "", fmt.Errorf("{%d} has no value: there are %d, from 0", i, len(values))
	}
	s, err := formatValue(values[i], form)
	if err != nil || !aligned {
		return s, err
	}
	w, err := strconv.Atoi(strings.TrimSpace(width))
	if err != nil || w > 10_000 || w < -10_000 {
		return "", fmt.Errorf("{%s} has no width", item)
	}
	gap := strings.Repeat(" ", max(0, max(w, -w)-len([]rune(s))))
	if w < 0 {
		return s + gap, nil
	}
	return gap + s, nil
}

func formatValue(v any, form string) (string, error) {
	var f float64
	switch n := v.(type) {
	case int64:
		f = float64(n)
	case float64:
		f = n
	case nil:
		return "", nil
	default:
		return text(v), nil
	}
	if form == "" {
		return strings.TrimSuffix(JSON(v), ".0"), nil
	}
	digits, err := strconv.Atoi(form[1:])
	hasDigits := err == nil
	if strings.Trim(form, "0") == "" { // 000
		return fmt.Sprintf("%0*d", len(form), int64(f)), nil
	}
	if form[1:] != "" && !hasDigits || digits < 0 || digits > 99 {
		return "", fmt.Errorf("the number format %q is not known here: there are D, F, N, P, X and zeros", form)
	}
	if !hasDigits {
		digits = 2
	}
	switch form[0] {
	case 'D', 'd':
		if !hasDigits {
			digits = 0
		}
		return fmt.Sprintf("%0*d", digits, int64(f)), nil
	case 'X', 'x':
		if !hasDigits {
			digits = 0
		}
		verb := map[byte]string{'X': "%0*X", 'x': "%0*x"}[form[0]]
		return fmt.Sprintf(verb, digits, uint64(int64(f))), nil
	case 'F', 'f':
		return strconv.FormatFloat(f, 'f', digits, 64), nil
	case 'N', 'n':
		return grouped(strconv.FormatFloat(f, 'f', digits, 64)), nil
	case 'P', 'p':
		return grouped(strconv.FormatFloat(f*100, 'f', digits, 64)) + " %", nil
	case 'G', 'g':
		return strings.TrimSuffix(JSON(v), ".0"), nil
	}
	return "", fmt.Errorf("the number format %q is not known here: there are D, F, N, P, X and zeros", form)
}

// grouped puts commas between thousands.
func grouped(s string) string {
	whole, fraction, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}
