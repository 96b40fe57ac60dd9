package expression

import (
	"encoding/base64"
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"weir/internal/dotnet"
)

func array(_ *frame, args []any) (any, error) { return []any{args[0]}, nil }

func createArray(f *frame, args []any) (any, error) {
	return append(make([]any, 0, len(args)), args...), f.madeItems(len(args))
}

// bytesOf gives the bytes of binary content, or of a value as text.
func bytesOf(v any) (kind string, data []byte) {
	if kind, data, ok := content(v); ok {
		return kind, data
	}
	return "text/plain;charset=utf-8", []byte(Text(v))
}

func toBase64(f *frame, args []any) (any, error) {
	_, data := bytesOf(args[0])
	return base64.StdEncoding.EncodeToString(data), f.made(len(data) * 4 / 3)
}

// decoded reads a parameter as base64, white space in it ignored.
func (f *frame) decoded(args []any) ([]byte, error) {
	s, err := f.str(args, 0)
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		return nil, f.invalid("The value cannot be decoded from base64 representation.")
	}
	return data, f.made(len(data))
}

func base64ToString(f *frame, args []any) (any, error) {
	if args[0] == nil {
		return "", nil
	}
	data, err := f.decoded(args)
	return strings.ToValidUTF8(string(data), "\ufffd"), err
}

const octets = "application/octet-stream"

func base64ToBinary(f *frame, args []any) (any, error) {
	if o, ok := args[0].(*Object); ok {
		if _, _, binary := content(o); binary {
			return o, nil
		}
	}
	data, err := f.decoded(args)
	return newContent(octets, data), err
}

func toBinary(f *frame, args []any) (any, error) {
	if args[0] == nil {
		return nil, f.invalid("The value cannot be converted to the target type.")
	}
	if _, _, ok := content(args[0]); ok {
		return args[0], nil
	}
	_, data := bytesOf(args[0])
	return newContent(octets, data), f.made(len(data))
}

func toBool(f *frame, args []any) (any, error) {
	switch v := args[0].(type) {
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	case float64:
		return v != 0, nil
	case Decimal:
		return v.Cmp(Decimal{}) != 0, nil
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return nil, f.unconvertible()
}

func (f *frame) unconvertible() error {
	return f.invalid("The value cannot be converted to the target type.")
}

func toInt(f *frame, args []any) (any, error) {
	switch v := args[0].(type) {
	case int64:
		return v, nil
	case bool:
		return int64(boolInt(v)), nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<63 {
			return int64(v), nil
		}
	case Decimal:
		if i, ok := v.Int64(); ok && dotnet.DecimalOf(i).Cmp(v) == 0 {
			return i, nil
		}
	case string:
		if i, err := dotnet.ParseInteger(v); err == nil {
			return i, nil
		}
	}
	return nil, f.unconvertible()
}

func toFloat(f *frame, args []any) (any, error) {
	if number(args[0]) {
		return asFloat(args[0]), nil
	}
	s, ok := args[0].(string)
	if !ok {
		return nil, f.unconvertible()
	}
	culture, err := f.culture(args, 1)
	if err != nil {
		return nil, err
	}
	if v, ok := dotnet.ParseFloat(s, culture); ok {
		return v, nil
	}
	return nil, f.unconvertible()
}

func toDecimal(f *frame, args []any) (any, error) {
	if number(args[0]) {
		if d, err := asDecimal(args[0]); err == nil {
			return d, nil
		}
	}
	if s, ok := args[0].(string); ok {
		if d, ok := dotnet.ParseAnyDecimal(s, dotnet.American); ok {
			return d, nil
		}
	}
	return nil, f.unconvertible()
}

func toText(f *frame, args []any) (any, error) {
	s := ""
	if kind, data, ok := content(args[0]); ok {
		s = decodeText(kind, data)
	} else {
		s = Text(args[0])
	}
	return s, f.made(len(s))
}

// decodeText reads bytes by the charset of a media type; UTF-8 if it names none.
func decodeText(kind string, data []byte) string {
	switch charset := strings.ToLower(parameter(kind, "charset")); charset {
	case "utf-16", "utf-16le", "unicode":
		return utf16Text(data, 0)
	case "utf-16be":
		return utf16Text(data, 1)
	case "iso-8859-1", "latin1", "windows-1252":
		runes := make([]rune, len(data))
		for i, c := range data {
			runes[i] = rune(c)
		}
		return string(runes)
	}
	s := string(data)
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	return strings.TrimPrefix(s, "\ufeff")
}

func utf16Text(data []byte, low int) string {
	u := make([]uint16, len(data)/2)
	for i := range u {
		u[i] = uint16(data[2*i+low]) | uint16(data[2*i+1-low])<<8
	}
	return strings.TrimPrefix(string(utf16.Decode(u)), "\ufeff")
}

func encode16(s string) []uint16 { return utf16.Encode([]rune(s)) }
func decode16(u []uint16) string { return string(utf16.Decode(u)) }

// parameter gives a parameter of a media type: charset of text/plain;charset=utf-8.
func parameter(kind, name string) string {
	_, rest, _ := strings.Cut(kind, ";")
	for p := range strings.SplitSeq(rest, ";") {
		if k, v, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

func toJSON(f *frame, args []any) (any, error) {
	kind, data, ok := content(args[0])
	s, text := args[0].(string)
	switch {
	case ok && isXML(kind):
		return f.xmlToJSON(decodeText(kind, data))
	case ok:
		s = decodeText(kind, data)
	case args[0] == nil:
		return nil, f.expects(args, 0, "a string or an XML")
	case !text:
		return args[0], nil
	}
	if err := f.made(2 * len(s)); err != nil {
		return nil, err
	}
	v, err := ParseJSON(s)
	if err != nil {
		return nil, fail("The template language function 'json' parameter is not valid. The provided value '%s' cannot be parsed: '%s'. %s", upTo(s), err, f.function.usage())
	}
	return v, nil
}

func dataURI(f *frame, args []any) (any, error) {
	kind, data := bytesOf(args[0])
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data), f.made(len(data) * 4 / 3)
}

// dataOf takes a data URI apart.
func (f *frame) dataOf(args []any) (kind string, data []byte, err error) {
	s, err := f.str(args, 0)
	if err != nil {
		return "", nil, err
	}
	head, body, found := strings.Cut(s, ",")
	if !found || len(head) < 5 || !strings.EqualFold(head[:5], "data:") {
		return "", nil, fail("The template language function '%s' expects its parameter to be formatted as a valid data URI. The provided value '%s' was not formatted correctly. %s", f.name(), upTo(s), f.function.usage())
	}
	kind, encoded := strings.CutSuffix(head[5:], ";base64")
	if kind == "" {
		kind = "text/plain;charset=US-ASCII"
	}
	if !encoded {
		data = []byte(unescapeURI(body))
		return kind, data, f.made(len(data))
	}
	data, err = f.decoded([]any{unescapeURI(strings.ReplaceAll(body, "+", "%2B"))})
	return kind, data, err
}

func dataURIToBinary(f *frame, args []any) (any, error) {
	kind, data, err := f.dataOf(args)
	return newContent(kind, data), err
}

func dataURIToString(f *frame, args []any) (any, error) {
	kind, data, err := f.dataOf(args)
	return decodeText(kind, data), err
}
