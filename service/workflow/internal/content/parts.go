package content

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"weir/service/workflow/internal/expression"
)

// partsMax bounds the parts of a multipart body and the fields of a form.
const partsMax = 10_000

// readParts gives the parts of a multipart body: {headers, body} each.
func readParts(data []byte, boundary string) ([]any, error) {
	if boundary == "" {
		return nil, errors.New("the multipart content has no boundary in its type")
	}
	r := multipart.NewReader(bytes.NewReader(data), boundary)
	parts := []any{}
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the multipart content is damaged in its part %d", len(parts)+1)
		}
		if len(parts) == partsMax {
			return nil, fmt.Errorf("the multipart content has more than %d parts", partsMax)
		}
		bytes, err := io.ReadAll(p)
		if err != nil {
			return nil, fmt.Errorf("the multipart content is damaged in its part %d", len(parts)+1)
		}
		parts = append(parts, expression.NewObject("headers", headersOf(p.Header), "body", partBody(p.Header.Get("Content-Type"), bytes)))
	}
}

func headersOf(h textproto.MIMEHeader) *Object {
	o := &Object{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		o.Members = append(o.Members, expression.Member{Name: name, Value: strings.Join(h[name], ", ")})
	}
	return o
}

// partBody gives the body of a part: a field of a form is a text, everything else is
// content, also JSON: a part is sent on as it came.
func partBody(contentType string, data []byte) any {
	media, parameters := parse(contentType)
	if contentType == "" || media == "text/plain" {
		if text, ok := decode(data, parameters["charset"]); ok {
			return text
		}
	}
	return Raw(contentType, data)
}

// writeParts writes the parts of a multipart body. A boundary that the type does not name
// follows from the parts, so that another attempt sends the same bytes.
func writeParts(list any, kind string) ([]byte, string, error) {
	parts, ok := list.([]any)
	if !ok {
		return nil, "", errors.New("the $multipart of a body is no array of parts")
	}
	if len(parts) > partsMax {
		return nil, "", fmt.Errorf("the $multipart of a body has more than %d parts", partsMax)
	}
	type part struct {
		head string
		body []byte
	}
	var all []part
	sum := sha256.New()
	for i, x := range parts {
		o, ok := x.(*Object)
		if !ok {
			return nil, "", fmt.Errorf("part %d of the $multipart of a body is no object with headers and body", i+1)
		}
		head, asked, err := partHead(o, i)
		if err != nil {
			return nil, "", err
		}
		body, _ := o.Get("body")
		data, own, err := Write(body, asked)
		if err != nil {
			return nil, "", fmt.Errorf("part %d: %w", i+1, err)
		}
		if asked == "" && own != "" {
			head += "Content-Type: " + own + "\r\n"
		}
		all = append(all, part{head, data})
		sum.Write([]byte(head))
		sum.Write(data)
	}
	media, parameters := parse(kind)
	if !strings.HasPrefix(media, "multipart/") {
		media, parameters = "multipart/form-data", nil
	}
	boundary := parameters["boundary"]
	if boundary == "" {
		boundary = "part-" + hex.EncodeToString(sum.Sum(nil)[:15])
		kind = mime.FormatMediaType(media, map[string]string{"boundary": boundary})
	}
	var b bytes.Buffer
	for _, p := range all {
		fmt.Fprintf(&b, "--%s\r\n%s\r\n%s\r\n", boundary, p.head, p.body)
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes(), kind, nil
}

// partHead writes the headers of a part and tells which media type they name.
func partHead(o *Object, i int) (head, contentType string, err error) {
	v, _ := o.Get("headers")
	headers, ok := v.(*Object)
	if !ok {
		return "", "", nil
	}
	var b strings.Builder
	for _, m := range headers.Members {
		text := expression.Text(m.Value)
		if strings.ContainsAny(m.Name+text, "\r\n") || m.Name == "" || strings.ContainsAny(m.Name, ": ") {
			return "", "", fmt.Errorf("part %d has a header %q that cannot be sent", i+1, m.Name)
		}
		if strings.EqualFold(m.Name, "Content-Type") {
			contentType = text
		}
		fmt.Fprintf(&b, "%s: %s\r\n", m.Name, text)
	}
	return b.String(), contentType, nil
}

type field struct{ key, value string }

// readForm gives the fields of a form in their order. What is not encoded well stays as it is.
func readForm(text string) []any {
	fields := []any{}
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" || len(fields) == partsMax {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		fields = append(fields, expression.NewObject("key", unescape(k), "value", unescape(v)))
	}
	return fields
}

func unescape(s string) string {
	if text, err := url.QueryUnescape(s); err == nil {
		return text
	}
	return s
}

func pairsOf(list any) []field {
	items, _ := list.([]any)
	var all []field
	for _, x := range items {
		if o, ok := x.(*Object); ok {
			k, _ := o.Get("key")
			v, _ := o.Get("value")
			all = append(all, field{expression.Text(k), expression.Text(v)})
		}
	}
	return all
}

func fieldsOf(o *Object) []field {
	var all []field
	for _, m := range o.Members {
		if list, ok := m.Value.([]any); ok {
			for _, x := range list {
				all = append(all, field{m.Name, expression.Text(x)})
			}
			continue
		}
		all = append(all, field{m.Name, expression.Text(m.Value)})
	}
	return all
}

func writeForm(fields []field) string {
	var b strings.Builder
	for i, f := range fields {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(f.key) + "=" + url.QueryEscape(f.value))
	}
	return b.String()
}
