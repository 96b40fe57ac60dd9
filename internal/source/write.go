package source

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// AppendJSON writes the value as compact JSON: members in the order of the source, and
// numbers as they were written, where JSON can write them so.
func (v *Value) AppendJSON(dst []byte) []byte {
	switch v.Kind {
	case Null:
		return append(dst, "null"...)
	case Bool:
		return strconv.AppendBool(dst, v.Scalar.(bool))
	case Int, Float:
		if v.Number != "" {
			return append(dst, v.Number...)
		}
		text, _ := json.Marshal(v.Scalar) // a finite number always marshals
		return append(dst, text...)
	case Text:
		return appendText(dst, v.Scalar.(string))
	case List:
		dst = append(dst, '[')
		for i, item := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.AppendJSON(dst)
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	for i, f := range v.Fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, f.Name), ':')
		dst = f.Value.AppendJSON(dst)
	}
	return append(dst, '}')
}

func appendText(dst []byte, s string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // text always encodes
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte{'\n'})...)
}

// Merge changes the value by a patch as RFC 7396 says: members of objects are merged,
// null takes one away, all else replaces. Members that are new come last.
func (v *Value) Merge(patch *Value) *Value {
	if patch.Kind != Map {
		return patch
	}
	merged := &Value{Kind: Map, Line: v.Line}
	if v.Kind == Map {
		merged.Fields = append(merged.Fields, v.Fields...)
	}
	for _, change := range patch.Fields {
		at := -1
		for i, f := range merged.Fields {
			if f.Name == change.Name {
				at = i
			}
		}
		switch {
		case change.Value.Kind == Null && at >= 0:
			merged.Fields = append(merged.Fields[:at:at], merged.Fields[at+1:]...)
		case change.Value.Kind == Null:
		case at >= 0:
			merged.Fields[at].Value = merged.Fields[at].Value.Merge(change.Value)
		default:
			change.Value = (&Value{Line: change.Line}).Merge(change.Value)
			merged.Fields = append(merged.Fields, change)
		}
	}
	return merged
}
