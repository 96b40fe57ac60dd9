package content

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"weir/service/workflow/internal/expression"
)

func show(v any) string { return string(expression.AppendJSON(nil, v)) }

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestRead(t *testing.T) {
	form := "--b\r\nContent-Disposition: form-data; name=\"one\"\r\n\r\nfirst\r\n--b\r\nContent-Disposition: form-data; name=\"two\"\r\nContent-Type: image/png\r\n\r\n\x89P\r\n--b--\r\n"
	for _, c := range []struct{ name, kind, data, want string }{
		{"no body is none", "application/json", "", `null`},
		{"JSON is a value in its order", "application/json; charset=utf-8", `{"b":1,"a":[1.5,null]}`, `{"b":1,"a":[1.5,null]}`},
		{"with a byte order mark", "application/json", "\ufeff[1]", `[1]`},
		{"in UTF-16", "application/json; charset=utf-16le", "[\x001\x00]\x00", `[1]`},
		{"and by its suffix", "application/problem+json", `{"a":1}`, `{"a":1}`},
		{"text is a string", "text/plain", "hé", `"hé"`},
		{"CSV too", "text/csv", "a,b", `"a,b"`},
		{"of its character set", "text/plain; charset=windows-1252", "h\xe9", `"hé"`},
		{"damaged text is content", "text/plain", "h\xe9", `{"$content-type":"text/plain","$content":"` + b64("h\xe9") + `"}`},
		{"text of a strange set too", "text/plain; charset=klingon", "h", `{"$content-type":"text/plain; charset=klingon","$content":"aA=="}`},
		{"XML is content", "application/xml; charset=utf-8", "<a/>", `{"$content-type":"application/xml; charset=utf-8","$content":"PGEvPg=="}`},
		{"what says nothing is content", "", `{"a":1}`, `{"$content-type":"application/octet-stream","$content":"eyJhIjoxfQ=="}`},
		{"a form has its fields", "application/x-www-form-urlencoded", "a=1&b=x+y%26&a=2", `{"$content-type":"application/x-www-form-urlencoded","$content":"` + b64("a=1&b=x+y%26&a=2") + `","$formdata":[{"key":"a","value":"1"},{"key":"b","value":"x y&"},{"key":"a","value":"2"}]}`},
		{"multipart has its parts", "multipart/form-data; boundary=b", form, `{"$content-type":"multipart/form-data; boundary=b","$content":"` + b64(form) + `","$multipart":[{"headers":{"Content-Disposition":"form-data; name=\"one\""},"body":"first"},{"headers":{"Content-Disposition":"form-data; name=\"two\"","Content-Type":"image/png"},"body":{"$content-type":"image/png","$content":"iVA="}}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := Read(c.kind, []byte(c.data))
			if err != nil || show(v) != c.want {
				t.Errorf("got %s, %v\nwant %s", show(v), err, c.want)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ kind, data, says string }{
		{"application/json", `{"a":`, "Unexpected end"},
		{"application/json; charset=klingon", `{}`, "klingon"},
		{"multipart/mixed", "--b--", "no boundary"},
		{"multipart/mixed; boundary=b", "--b\r\nno header\r\n\r\nx\r\n--b--", "damaged in its part 1"},
		{"multipart/mixed; boundary=b", strings.Repeat("--b\r\n\r\n\r\n", partsMax+1) + "--b--", "more than 10000 parts"},
	} {
		if _, err := Read(c.kind, []byte(c.data)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %.20q: %v, want it to say %q", c.kind, c.data, err, c.says)
		}
	}
}

func TestWrite(t *testing.T) {
	o := expression.NewObject
	for _, c := range []struct {
		name       string
		body       any
		kind       string
		data, want string
	}{
		{"none", nil, "", "", ""},
		{"an object is JSON", o("b", int64(1), "a", nil), "", `{"b":1,"a":null}`, JSON},
		{"of the type asked for", o("a", int64(1)), "application/merge-patch+json", `{"a":1}`, "application/merge-patch+json"},
		{"a number is JSON", int64(7), "", "7", JSON},
		{"a string is text", "hé", "", "hé", Text},
		{"as it stands", `{"a":1}`, "application/json", `{"a":1}`, "application/json"},
		{"in the set asked for", "hé", "text/plain; charset=iso-8859-1", "h\xe9", "text/plain; charset=iso-8859-1"},
		{"content is its bytes and type", o("$content-type", "image/png", "$content", "iVA="), "", "\x89P", "image/png"},
		{"with another type, when asked", o("$content-type", "image/png", "$content", "iVA="), "image/x", "\x89P", "image/x"},
		{"without a type, too", o("$content", "iVA="), "", "\x89P", Binary},
		{"an object as a form", o("a", "x y", "b", []any{int64(1), int64(2)}), Form, "a=x+y&b=1&b=2", Form},
		{"fields as a form", o("$formdata", []any{o("key", "a&", "value", "1")}), "", "a%26=1", Form},
		{"parts", o("$content-type", "multipart/form-data; boundary=x", "$multipart", []any{o("headers", o("Content-Disposition", "form-data; name=a"), "body", o("k", true)), o("body", "hi")}), "",
			"--x\r\nContent-Disposition: form-data; name=a\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{\"k\":true}\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhi\r\n--x--\r\n", "multipart/form-data; boundary=x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data, kind, err := Write(c.body, c.kind)
			if err != nil || string(data) != c.data || kind != c.want {
				t.Errorf("got %q as %q, %v\nwant %q as %q", data, kind, err, c.data, c.want)
			}
		})
	}
}

func TestWriteRefuses(t *testing.T) {
	o := expression.NewObject
	for _, c := range []struct {
		body       any
		kind, says string
	}{
		{o("$content-type", "a/b", "$content", "%"), "", "no base64"},
		{o("$content-type", "a/b", "$content", int64(1)), "", "no base64"},
		{"日", "text/plain; charset=iso-8859-1", "does not have"},
		{"x", "text/plain; charset=klingon", "not known"},
		{o("$multipart", "x"), "", "no array"},
		{o("$multipart", []any{"x"}), "", "part 1"},
		{o("$multipart", []any{o("headers", o("A", "b\r\nC: d"), "body", "x")}), "", `a header "A"`},
	} {
		if _, _, err := Write(c.body, c.kind); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s as %q: %v, want it to say %q", show(c.body), c.kind, err, c.says)
		}
	}
}

// Parts without a boundary get one that another attempt gets too.
func TestBoundaryIsTheSameAgain(t *testing.T) {
	body := expression.NewObject("$content-type", "multipart/form-data", "$multipart", []any{expression.NewObject("body", "hi")})
	first, kind, err := Write(body, "")
	again, kindAgain, _ := Write(body, "")
	if err != nil || !bytes.Equal(first, again) || kind != kindAgain {
		t.Fatalf("%q and %q, %v", kind, kindAgain, err)
	}
	v, err := Read(kind, first)
	if err != nil || !strings.Contains(show(v), `"$multipart":[{"headers":{"Content-Type":"text/plain; charset=utf-8"},"body":"hi"}]`) {
		t.Errorf("read back: %s, %v", show(v), err)
	}
}

// FuzzRoundTrip: what is content or text comes out as it went in, and what is a value
// says the same when it is read again.
func FuzzRoundTrip(f *testing.F) {
	for _, kind := range []string{"", "application/json", "text/plain", "text/plain; charset=windows-1252", "text/plain; charset=utf-16", "text/plain; charset=shift_jis", "application/xml", "multipart/mixed; boundary=b", Form, "image/png", "text/plain;;", "x", "text/html; charset=utf-7"} {
		f.Add(kind, []byte("h\xe9 {\"a\":1}"))
		f.Add(kind, []byte("{\"a\":[1,2.5,\"x\"]}"))
		f.Add(kind, []byte("--b\r\n\r\nx\r\n--b--"))
	}
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		v, err := Read(kind, data)
		if err != nil {
			return
		}
		back, again, err := Write(v, kind)
		if err != nil {
			t.Fatalf("%q %q was read as %s, which cannot be written: %v", kind, data, show(v), err)
		}
		media, parameters := parse(kind)
		if isJSON(media) {
			w, err := Read(kind, back)
			if err != nil || show(w) != show(v) {
				t.Fatalf("%q: %s became %s, %v", kind, show(v), show(w), err)
			}
			return
		}
		if _, text := v.(string); text && parameters["charset"] != "" {
			// A character set may have more than one way to write a letter.
			w, err := Read(kind, back)
			if err != nil || show(w) != show(v) {
				t.Fatalf("%q: %s became %s, %v", kind, show(v), show(w), err)
			}
			return
		}
		if !bytes.Equal(back, data) {
			t.Fatalf("%q: %q became %q", kind, data, back)
		}
		if kind != "" && again != kind {
			t.Fatalf("%q became %q", kind, again)
		}
	})
}
