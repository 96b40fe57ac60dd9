// Package content is how bodies stand in a workflow: bytes with a media type become a
// value of the expression language, and values become bytes again.
//
// It promises:
//
//  1. JSON is a value, text a string; everything else is an object with $content-type and
//     $content, so that no byte of it is lost. Multipart and forms have their parts beside it.
//  2. What Read made of bytes that it gave as content, Write gives back byte for byte, with
//     the same media type.
//  3. The same bytes give the same value everywhere: nothing is guessed from the bytes but
//     the byte order mark of JSON.
//  4. Text that its own character set cannot explain is not corrupted: it is content.
//
// It refuses JSON that is none, saying where, and bodies with more parts than it bounds.
package content

import (
	"encoding/base64"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"

	"weir/service/workflow/internal/expression"
)

// Object is a JSON object of the expression language.
type Object = expression.Object

// Media types that bodies get which say nothing themselves.
const (
	JSON   = "application/json; charset=utf-8"
	Text   = "text/plain; charset=utf-8"
	Binary = "application/octet-stream"
	Form   = "application/x-www-form-urlencoded"
)

// Read gives a body as a workflow knows it; nil is no body. The error is of JSON that is
// none, and of a multipart body that is none.
func Read(contentType string, data []byte) (any, error) {
	if len(data) == 0 {
		return nil, nil
	}
	media, parameters := parse(contentType)
	switch {
	case isJSON(media):
		text, ok := decode(data, parameters["charset"])
		if !ok {
			return nil, fmt.Errorf("the content is not in the character set %q that its type names", parameters["charset"])
		}
		return expression.ParseJSON(strings.TrimPrefix(text, "\ufeff"))
	case strings.HasPrefix(media, "text/"):
		if text, ok := decode(data, parameters["charset"]); ok {
			return text, nil
		}
	case strings.HasPrefix(media, "multipart/"):
		parts, err := readParts(data, parameters["boundary"])
		if err != nil {
			return nil, err
		}
		return Raw(contentType, data).With("$multipart", parts), nil
	case media == Form:
		return Raw(contentType, data).With("$formdata", readForm(string(data))), nil
	}
	return Raw(contentType, data), nil
}

// Raw gives bytes as content, whatever they are.
func Raw(contentType string, data []byte) *Object {
	if contentType == "" {
		contentType = Binary
	}
	return expression.NewObject("$content-type", contentType, "$content", base64.StdEncoding.EncodeToString(data))
}

// Write gives a body as bytes and the media type to send them with: the one that is asked
// for, else the body's own. A nil body has neither.
func Write(body any, contentType string) (data []byte, kind string, err error) {
	if body == nil {
		return nil, contentType, nil
	}
	if o, ok := body.(*Object); ok {
		if data, kind, ok, err := writeContent(o, contentType); ok || err != nil {
			return data, kind, err
		}
	}
	media, parameters := parse(contentType)
	switch v := body.(type) {
	case string:
		if contentType == "" {
			return []byte(v), Text, nil
		}
		data, err := encode(v, parameters["charset"])
		return data, contentType, err
	case *Object:
		if media == Form {
			return []byte(writeForm(fieldsOf(v))), contentType, nil
		}
	}
	text := string(expression.AppendJSON(nil, body))
	if contentType == "" {
		return []byte(text), JSON, nil
	}
	data, err = encode(text, parameters["charset"])
	return data, contentType, err
}

// writeContent writes an object that says of itself what it is.
func writeContent(o *Object, contentType string) (data []byte, kind string, ok bool, err error) {
	own, _ := o.Exact("$content-type")
	kind = expression.Text(own)
	if contentType != "" {
		kind = contentType
	}
	if encoded, there := o.Exact("$content"); there {
		text, isText := encoded.(string)
		data, err := base64.StdEncoding.DecodeString(text)
		if !isText || err != nil {
			return nil, "", false, fmt.Errorf("the $content of a body is no base64")
		}
		if kind == "" {
			kind = Binary
		}
		return data, kind, true, nil
	}
	if list, there := o.Exact("$multipart"); there {
		data, kind, err := writeParts(list, kind)
		return data, kind, err == nil, err
	}
	if list, there := o.Exact("$formdata"); there {
		if kind == "" {
			kind = Form
		}
		return []byte(writeForm(pairsOf(list))), kind, true, nil
	}
	return nil, "", false, nil
}

func parse(contentType string) (string, map[string]string) {
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil && media == "" {
		// A parameter that is none does not make a type unknown.
		media, _, _ = strings.Cut(contentType, ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	return media, parameters
}

func isJSON(media string) bool {
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

// charset gives the encoding of a name; nil is UTF-8, false an unknown one.
func charset(name string) (encoding.Encoding, bool) {
	switch name = strings.ToLower(strings.Trim(strings.TrimSpace(name), `"'`)); name {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return nil, true
	}
	e, err := ianaindex.IANA.Encoding(name)
	return e, err == nil && e != nil
}

func decode(data []byte, name string) (string, bool) {
	e, ok := charset(name)
	if !ok {
		return "", false
	}
	if e == nil {
		return string(data), utf8.Valid(data)
	}
	text, err := e.NewDecoder().Bytes(data)
	// What the set has no letter for would be lost.
	return string(text), err == nil && !strings.ContainsRune(string(text), utf8.RuneError)
}

func encode(text, name string) ([]byte, error) {
	e, ok := charset(name)
	if !ok {
		return nil, fmt.Errorf("the character set %q is not known; leave it out to send UTF-8", name)
	}
	if e == nil {
		return []byte(text), nil
	}
	data, err := e.NewEncoder().Bytes([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("the body has a letter that the character set %q does not have; leave the charset out to send UTF-8", name)
	}
	return data, nil
}
