package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
)

// jsonReader builds values from a decoder's tokens, counting lines as it goes.
type jsonReader struct {
	data    []byte
	decoder *json.Decoder
	line    int
	counted int64 // up to where newlines have been counted
}

func parseJSON(data []byte) (*Value, error) {
	r := &jsonReader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1}
	r.decoder.UseNumber()
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.decoder.Token(); err != io.EOF {
		return nil, errorAt(r.at(), "nothing may follow the end of the JSON text")
	}
	return v, nil
}

// at is the line the decoder stands on: that of the token it read last.
func (r *jsonReader) at() int {
	offset := r.decoder.InputOffset()
	r.line += bytes.Count(r.data[r.counted:offset], []byte{'\n'})
	r.counted = offset
	return r.line
}

func (r *jsonReader) token() (json.Token, error) {
	t, err := r.decoder.Token()
	if err == nil {
		return t, nil
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		// The decoder stands where the value begins that it could not read.
		return nil, errorAt(r.at(), "this is no JSON: %s", syntax)
	}
	return nil, errorAt(1+bytes.Count(r.data, []byte{'\n'}), "this is no JSON: it ends too early")
}

func (r *jsonReader) value(depth int) (*Value, error) {
	t, err := r.token()
	if err != nil {
		return nil, err
	}
	return r.valueOf(t, depth)
}

func (r *jsonReader) valueOf(t json.Token, depth int) (*Value, error) {
	v := &Value{Line: r.at()}
	switch t := t.(type) {
	case nil:
	case bool:
		v.Kind, v.Scalar = Bool, t
	case string:
		v.Kind, v.Scalar = Text, t
	case json.Number:
		return v, v.number(string(t))
	case json.Delim:
		if depth == depthMax {
			return nil, errorAt(v.Line, "lists and mappings lie in each other more than %d deep", depthMax)
		}
		if t == '[' {
			return v, r.list(v, depth)
		}
		return v, r.fields(v, depth)
	}
	return v, nil
}

func (v *Value) number(s string) error {
	v.Number = s
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			v.Kind, v.Scalar = Int, n
			return nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return errorAt(v.Line, "the number %s is out of range", s)
	}
	v.Kind, v.Scalar = Float, f
	return nil
}

func (r *jsonReader) list(v *Value, depth int) error {
	v.Kind = List
	for {
		t, err := r.token()
		if err != nil || t == json.Delim(']') {
			return err
		}
		item, err := r.valueOf(t, depth+1)
		if err != nil {
			return err
		}
		v.Items = append(v.Items, item)
	}
}

func (r *jsonReader) fields(v *Value, depth int) error {
	v.Kind = Map
	seen := map[string]int{}
	for {
		t, err := r.token()
		if err != nil || t == json.Delim('}') {
			return err
		}
		name, line := t.(string), r.at()
		if err := duplicate(seen, name, line); err != nil {
			return err
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		v.Fields = append(v.Fields, Field{name, line, value})
	}
}
