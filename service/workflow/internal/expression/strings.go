package expression

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"weir/internal/dotnet"
)

// Positions in texts are of UTF-16 units, as .NET counts. Nearly all texts are plain
// ASCII, where bytes do.

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// units counts a text.
func units(s string) int {
	if ascii(s) {
		return len(s)
	}
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// cut gives the units from start to before end, which must be within the text.
func cut(s string, start, end int) string {
	if ascii(s) {
		return s[start:end]
	}
	return string(utf16.Decode(utf16.Encode([]rune(s))[start:end]))
}

// unitAt turns a byte position into one of units.
func unitAt(s string, i int) int64 {
	if i < 0 {
		return -1
	}
	return int64(units(s[:i]))
}

// fold maps letter by letter, so that positions stay.
func fold(s string) string { return strings.Map(unicode.ToLower, s) }

func concat(f *frame, args []any) (any, error) {
	if len(args) == 2 {
		a, ok1 := args[0].(string)
		b, ok2 := args[1].(string)
		if ok1 && ok2 {
			return a + b, f.made(len(a) + len(b))
		}
	}
	var b strings.Builder
	for _, a := range args {
		b.WriteString(Text(a))
	}
	return b.String(), f.made(b.Len())
}

// search is a function that looks for one text in another.
func search(find func(text, what string) any) implementation {
	return func(f *frame, args []any) (any, error) {
		s, err := f.strs(args)
		if err != nil {
			return nil, err
		}
		return find(s[0], s[1]), nil
	}
}

var (
	startsWith = search(func(text, what string) any { return strings.HasPrefix(fold(text), fold(what)) })
	endsWith   = search(func(text, what string) any { return strings.HasSuffix(fold(text), fold(what)) })
	indexOf    = search(func(text, what string) any { t := fold(text); return unitAt(t, strings.Index(t, fold(what))) })
	// An empty text is found before the last character, as .NET Framework has it.
	lastIndexOf = search(func(text, what string) any {
		t := fold(text)
		if what == "" {
			return int64(max(units(t)-1, 0))
		}
		return unitAt(t, strings.LastIndex(t, fold(what)))
	})
)

func nthIndexOf(f *frame, args []any) (any, error) {
	s, err := f.strs(args[:2])
	if err != nil {
		return nil, err
	}
	n, err := f.integer(args, 2)
	if err != nil {
		return nil, err
	}
	text, what := fold(s[0]), fold(s[1])
	if what == "" || n == 0 {
		return int64(-1), nil
	}
	if err := f.step(len(text)); err != nil {
		return nil, err
	}
	from := len(text)
	for ; n < 0; n++ {
		from = strings.LastIndex(text[:from], what)
		if from < 0 || n == -1 {
			return unitAt(text, from), nil
		}
	}
	for at := 0; ; {
		i := strings.Index(text[at:], what)
		if i < 0 {
			return int64(-1), nil
		}
		if n--; n == 0 {
			return unitAt(text, at+i), nil
		}
		at += i + len(what)
	}
}

func replace(f *frame, args []any) (any, error) {
	for i, name := range []string{"string", "old string", "new string"} {
		if _, ok := args[i].(string); !ok {
			return nil, fail("The template language function 'replace' expects its %s parameter '%s' to be a string. The provided value is of type '%s'. %s", ordinals[i], name, kindOf(args[i]), f.function.usage())
		}
	}
	text, old, with := args[0].(string), args[1].(string), args[2].(string)
	if old == "" {
		return nil, f.invalid("The text to be replaced can not be empty.")
	}
	if err := f.made(len(text) + strings.Count(text, old)*max(len(with)-len(old), 0)); err != nil {
		return nil, err
	}
	return strings.ReplaceAll(text, old, with), nil
}

func split(f *frame, args []any) (any, error) {
	text, err := f.str(args, 0)
	if err != nil {
		return nil, err
	}
	delimiter, err := f.str(args, 1)
	if err != nil {
		return nil, err
	}
	if delimiter == "" {
		return []any{text}, nil
	}
	return texts(f, strings.Split(text, delimiter))
}

func texts(f *frame, parts []string) (any, error) {
	list := make([]any, len(parts))
	for i, p := range parts {
		list[i] = p
	}
	return list, f.madeItems(len(list))
}

// madeItems counts the items of an array that is made.
func (f *frame) madeItems(n int) error {
	if err := f.step(n); err != nil {
		return err
	}
	return f.made(16 * n)
}

func slice(f *frame, args []any) (any, error) {
	text, err := f.str(args, 0)
	if err != nil {
		return nil, err
	}
	n := int64(units(text))
	at := func(i int, otherwise int64) (int64, error) {
		if i >= len(args) || args[i] == nil {
			return otherwise, nil
		}
		v, err := f.integer(args, i)
		if v < 0 {
			v += n
		}
		return min(max(v, 0), n), err
	}
	start, err := at(1, 0)
	if err != nil {
		return nil, err
	}
	end, err := at(2, n)
	if err != nil || start >= end {
		return "", err
	}
	return cut(text, int(start), int(end)), nil
}

func substring(f *frame, args []any) (any, error) {
	text, err := f.str(args, 0)
	if err != nil {
		return nil, err
	}
	start, err := f.integer(args, 1)
	if err != nil {
		return nil, err
	}
	n := int64(units(text))
	if len(args) == 2 {
		if start < 0 || start >= n {
			return nil, f.outOfRange("'start index' must be a non-negative integer and must be less than the length of the string.")
		}
		return cut(text, int(start), int(n)), nil
	}
	length, err := f.integer(args, 2)
	if err != nil {
		return nil, err
	}
	if start < 0 || length < 0 || start > n || length > n-start {
		return nil, f.outOfRange("'start index' and 'length' must be non-negative integers and their sum must be no larger than the length of the string.")
	}
	return cut(text, int(start), int(start+length)), nil
}

// mapped is a function from text to text.
func mapped(with func(string) string) implementation {
	return func(f *frame, args []any) (any, error) {
		s, err := f.str(args, 0)
		if err != nil {
			return nil, err
		}
		s = with(s)
		return s, f.made(len(s))
	}
}

var (
	toLower           = mapped(fold)
	toUpper           = mapped(func(s string) string { return strings.Map(unicode.ToUpper, s) })
	trim              = mapped(strings.TrimSpace)
	trimByteOrderMark = mapped(func(s string) string { return strings.TrimPrefix(s, "\ufeff") })
	utf8Length        = counted(func(s string) int { return len(s) })
	utf16Length       = counted(units)
)

func counted(count func(string) int) implementation {
	return func(f *frame, args []any) (any, error) {
		s, err := f.str(args, 0)
		return int64(count(s)), err
	}
}

func formatNumber(f *frame, args []any) (any, error) {
	switch args[0].(type) {
	case int64, float64, Decimal:
	default:
		return nil, f.expects(args, 0, "an integer, a float or a decimal number")
	}
	format, err := f.str(args, 1)
	if err != nil {
		return nil, err
	}
	culture, err := f.culture(args, 2)
	if err != nil {
		return nil, err
	}
	text, err := dotnet.FormatNumber(args[0], format, culture)
	if err != nil {
		return nil, f.invalid("The format '%s' is not valid for a value of type '%s'.", format, kindOf(args[0]))
	}
	return text, f.made(len(text))
}

// culture gives the locale that a parameter names, or en-US.
func (f *frame) culture(args []any, i int) (*dotnet.Culture, error) {
	name, err := f.optional(args, i)
	if err != nil || name == "" {
		return dotnet.American, err
	}
	if c, ok := dotnet.CultureOf(name); ok {
		return c, nil
	}
	return nil, f.invalid("The locale '%s' is not valid or not supported.", name)
}

func guid(f *frame, args []any) (any, error) {
	format, err := f.optional(args, 0)
	if err != nil {
		return nil, err
	}
	a, b := f.context.Random(), f.context.Random()
	a = a&^0xf000 | 0x4000 // version 4
	b = b&^(3<<62) | 1<<63 // its variant
	n := fmt.Sprintf("%016x%016x", a, b)
	d := n[:8] + "-" + n[8:12] + "-" + n[12:16] + "-" + n[16:20] + "-" + n[20:]
	switch strings.ToUpper(format) {
	case "", "D":
		return d, nil
	case "N":
		return n, nil
	case "B":
		return "{" + d + "}", nil
	case "P":
		return "(" + d + ")", nil
	case "X":
		return fmt.Sprintf("{0x%s,0x%s,0x%s,{0x%s,0x%s,0x%s,0x%s,0x%s,0x%s,0x%s,0x%s}}", n[:8], n[8:12], n[12:16], n[16:18], n[18:20], n[20:22], n[22:24], n[24:26], n[26:28], n[28:30], n[30:]), nil
	}
	return nil, f.invalid("The format '%s' is none of 'N', 'D', 'B', 'P' and 'X'.", format)
}

func isFloat(f *frame, args []any) (any, error) {
	switch v := args[0].(type) {
	case int64, float64, Decimal:
		return true, nil
	case string:
		culture, err := f.culture(args, 1)
		if err != nil {
			return nil, err
		}
		_, ok := dotnet.ParseFloat(v, culture)
		return ok, nil
	}
	return false, nil
}

func isInt(_ *frame, args []any) (any, error) {
	switch v := args[0].(type) {
	case int64:
		return true, nil
	case string:
		_, err := dotnet.ParseInteger(v)
		return err == nil, nil
	}
	return false, nil
}

var (
	encodeXMLValue = mapped(func(s string) string { return xmlEscape(s, true) })
	decodeXMLValue = mapped(xmlUnescape)
	encodeXMLName  = mapped(xmlNameOf)
	decodeXMLName  = mapped(nameOfXML)
)

// xmlNameOf writes what no name may have as _xHHHH_, as XmlConvert does.
func xmlNameOf(s string) string {
	var b strings.Builder
	for i, r := range s {
		letter := r == '_' || unicode.IsLetter(r)
		inside := letter || r == '-' || r == '.' || unicode.IsDigit(r)
		escapeLike := r == '_' && escapedUnit(s[i:]) >= 0
		if (i == 0 && letter || i > 0 && inside) && !escapeLike {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, "_x%04X_", u)
		}
	}
	return b.String()
}

// escapedUnit reads _xHHHH_, or gives -1.
func escapedUnit(s string) int {
	if len(s) < 7 || !strings.HasPrefix(s, "_x") || s[6] != '_' {
		return -1
	}
	u, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil {
		return -1
	}
	return int(u)
}

func nameOfXML(s string) string {
	var b []uint16
	for s != "" {
		if u := escapedUnit(s); u >= 0 {
			b, s = append(b, uint16(u)), s[7:]
			continue
		}
		r := []rune(s[:min(len(s), 4)])[0]
		n := len(string(r))
		b, s = utf16.AppendRune(b, r), s[min(n, len(s)):]
	}
	return string(utf16.Decode(b))
}
