package http

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"sort"
	"strings"
	"testing"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/callback"
	"weir/service/workflow/internal/expression"
)

var obj = expression.NewObject

// inputs reads the inputs of a call; HOST stands for a server's address.
func inputs(t testing.TB, text, host string) any {
	t.Helper()
	v, err := expression.ParseJSON(strings.ReplaceAll(text, "HOST", host))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func shown(v any) string {
	if o, ok := v.(*expression.Object); ok && o == nil {
		return "none"
	}
	return string(expression.AppendJSON(nil, v))
}

// textOf gives the letters of a body, also of one that is no UTF-8.
func textOf(body any) string {
	if o, ok := body.(*expression.Object); ok {
		v, _ := o.Get("$content")
		raw, _ := base64.StdEncoding.DecodeString(expression.Text(v))
		return string(raw)
	}
	return expression.Text(body)
}

// within bounds a test.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func made(t testing.TB, o Options) *Connector {
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

// echo tells what it was asked: method, address, some headers and the body.
func echo(t testing.TB) string {
	s := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		var lines []string
		for name, v := range r.Header {
			lines = append(lines, name+": "+strings.Join(v, "|"))
		}
		sort.Strings(lines)
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s %s\n%s\n\n%s", r.Method, r.RequestURI, strings.Join(lines, "\n"), body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestRequests(t *testing.T) {
	host := echo(t)
	c := made(t, Options{Agent: "test"})
	for _, k := range []struct {
		name, inputs string
		has, not     []string
	}{
		{"a body of JSON", `{"method": "post", "uri": "HOST/a", "body": {"b": 1, "a": [null]}}`, []string{"POST /a\n", "Content-Type: application/json; charset=utf-8", "\n\n{\"b\":1,\"a\":[null]}", "User-Agent: test"}, nil},
		{"a text", `{"method": "PUT", "uri": "HOST/", "body": "hé"}`, []string{"Content-Type: text/plain; charset=utf-8", "\n\nhé"}, nil},
		{"a text of a type", `{"method": "PUT", "uri": "HOST/", "headers": {"content-type": "application/json"}, "body": "{}"}`, []string{"Content-Type: application/json\n", "\n\n{}"}, nil},
		{"content goes out as it came", `{"method": "PUT", "uri": "HOST/", "body": {"$content-type": "image/png", "$content": "iVA="}}`, []string{"Content-Type: image/png\n", "\n\n\x89P"}, nil},
		{"a form", `{"method": "POST", "uri": "HOST/", "headers": {"Content-Type": "application/x-www-form-urlencoded"}, "body": {"a": "x y", "b": 2}}`, []string{"\n\na=x+y&b=2"}, nil},
		{"parts", `{"method": "POST", "uri": "HOST/", "body": {"$content-type": "multipart/form-data; boundary=q", "$multipart": [{"headers": {"Content-Disposition": "form-data; name=file; filename=a.bin"}, "body": {"$content-type": "application/octet-stream", "$content": "AAE="}}]}}`, []string{"Content-Type: multipart/form-data; boundary=q", "--q\r\nContent-Disposition: form-data; name=file; filename=a.bin\r\nContent-Type: application/octet-stream\r\n\r\n\x00\x01\r\n--q--"}, nil},
		{"queries", `{"method": "GET", "uri": "HOST/p?x=1", "queries": {"a b": "c&d", "n": 7, "none": null, "l": [1, 2]}}`, []string{"GET /p?x=1&a%20b=c%26d&n=7&l=1&l=2\n"}, nil},
		{"a query with spaces", `{"method": "GET", "uri": "HOST/p?$filter=a eq 1"}`, []string{"GET /p?$filter=a%20eq%201\n"}, nil},
		{"headers that are not sent", `{"method": "POST", "uri": "HOST/", "headers": {"Host": "x", "Origin": "o", "Content-Length": "5", "Content-MD5": "m", "Accept-Charset": "c", "Cookie": "a=b", "Transfer-Encoding": "gzip", "Connection": "close", "Accept": "a/b", "Accept-Language": "de", "X-Mine": 7, "Null": null}, "cookie": "c=d", "body": "x"}`,
			[]string{"Accept: a/b", "Accept-Language: de", "X-Mine: 7", "Cookie: c=d", "Content-Length: 1"}, []string{"Origin", "Md5", "Charset", "a=b", "Null", "Connection"}},
		{"a GET has no Content headers", `{"method": "GET", "uri": "HOST/", "headers": {"Content-Type": "application/json", "Content-Encoding": "x"}}`, []string{"GET /"}, []string{"Content-"}},
		{"Basic", `{"method": "GET", "uri": "HOST/", "authentication": {"type": "Basic", "username": "u", "password": "p"}}`, []string{"Authorization: Basic dTpw\n"}, nil},
		{"Raw", `{"method": "GET", "uri": "HOST/", "authentication": {"type": "Raw", "value": "SharedKey x"}}`, []string{"Authorization: SharedKey x\n"}, nil},
		{"authentication as a text", `{"method": "GET", "uri": "HOST/", "authentication": "{\"type\":\"Raw\",\"value\":\"K\"}"}`, []string{"Authorization: K\n"}, nil},
		{"none", `{"method": "GET", "uri": "HOST/", "authentication": {"type": "None"}}`, nil, []string{"Authorization"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			a := c.Do(within(t), &connector.Call{Type: "http", Inputs: inputs(t, k.inputs, host)})
			got := textOf(a.Body)
			if a.Status != 200 {
				t.Fatalf("%+v", a)
			}
			for _, has := range k.has {
				if !strings.Contains(got, has) {
					t.Errorf("it lacks %q:\n%s", has, got)
				}
			}
			for _, not := range k.not {
				if strings.Contains(got, not) {
					t.Errorf("it has %q:\n%s", not, got)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	c := made(t, Options{})
	for _, k := range []struct{ kind, inputs, code, says string }{
		{"Http", `[]`, codeBadInputs, "no object"},
		{"Http", `{"method": "GET"}`, codeBadInputs, "neither a uri"},
		{"Http", `{"method": "GET", "uri": "/a"}`, codeBadInputs, "no absolute address"},
		{"Http", `{"method": "GET", "uri": "ftp://a/b"}`, codeBadInputs, "'ftp'"},
		{"Http", `{"method": "GET", "uri": "http://u:p@a/b"}`, codeBadInputs, "type Basic"},
		{"Http", `{"method": "G T", "uri": "http://a/"}`, codeBadInputs, "method"},
		{"Http", `{"method": "GET", "uri": "http://a/", "boddy": 1}`, codeBadInputs, "'boddy'"},
		{"Http", `{"method": "GET", "uri": "http://a/", "headers": "x"}`, codeBadInputs, "headers"},
		{"Http", `{"method": "GET", "uri": "http://a/", "headers": {"A": "b\nC: d"}}`, codeBadInputs, "line breaks"},
		{"Http", `{"method": "GET", "uri": "http://a/", "queries": []}`, codeBadInputs, "queries"},
		{"Http", `{"method": "POST", "uri": "http://a/", "body": {"$content-type": "a/b", "$content": "%"}}`, codeBadInputs, "no base64"},
		{"Http", `{"method": "GET", "uri": "http://a/", "authentication": {"type": "Magic"}}`, codeBadInputs, "'Magic'"},
		{"Http", `{"method": "GET", "uri": "http://a/", "authentication": {"type": "Basic", "user": "u"}}`, codeBadInputs, "'user'"},
		{"Http", `{"method": "GET", "uri": "http://a/", "authentication": {"type": "ManagedServiceIdentity"}}`, codeUnsupported, "managed identity"},
		{"Http", `{"method": "GET", "uri": "http://a/", "authentication": {"type": "ActiveDirectoryOAuth", "tenant": "t", "clientId": "c"}}`, codeBadInputs, "neither a secret"},
		{"Http", `{"method": "GET", "uri": "http://a/", "authentication": {"type": "ClientCertificate", "pfx": "AAAA"}}`, codeBadInputs, "PKCS #12"},
		{"Function", `{"function": {"id": "/subscriptions/s/f"}}`, codeUnsupported, "/subscriptions/s/f"},
		{"ApiManagement", `{"api": {"id": "x"}, "pathTemplate": {"template": "/a/{b}"}}`, codeBadInputs, "{b}"},
		{"HttpWebhook", `{"unsubscribe": {}}`, codeBadInputs, "subscribe"},
		{"Compose", `{}`, codeUnsupported, "Compose"},
	} {
		a := c.Do(within(t), &connector.Call{Type: k.kind, Inputs: inputs(t, k.inputs, ""), Who: connector.Who{Action: "Call"}})
		if a.Code != k.code || !strings.Contains(a.Message, k.says) || a.Retryable {
			t.Errorf("%s %s: %+v, want %s saying %q", k.kind, k.inputs, a, k.code, k.says)
		}
	}
}

// answering is a server that answers as it is told.
func answering(t testing.TB, status int, headers map[string]string, body string) string {
	s := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header()["Date"] = nil
		for name, v := range headers {
			w.Header()[nethttp.CanonicalHeaderKey(name)] = strings.Split(v, "|")
		}
		if _, ok := headers["Content-Type"]; !ok {
			w.Header()["Content-Type"] = nil
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(s))
	z.Close()
	return b.String()
}

func TestAnswers(t *testing.T) {
	c := made(t, Options{Limits: Limits{BodyBytesMax: 1000}})
	type m = map[string]string
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, k := range []struct {
		name    string
		status  int
		headers m
		body    string
		options []string
		want    string
	}{
		{"JSON", 200, m{"Content-Type": "application/json"}, `{"b":1.50,"a":9007199254740993}`, nil, `200 {"Content-Length":"31","Content-Type":"application/json"} {"b":1.5,"a":9007199254740993}`},
		{"text", 201, m{"Content-Type": "text/plain; charset=iso-8859-1"}, "h\xe9", nil, `201 {"Content-Length":"2","Content-Type":"text/plain; charset=iso-8859-1"} "hé"`},
		{"bytes", 200, m{"Content-Type": "image/png"}, "\x89P", nil, `200 {"Content-Length":"2","Content-Type":"image/png"} {"$content-type":"image/png","$content":"iVA="}`},
		{"nothing", 204, m{}, "", nil, `204 {} null`},
		{"several values and those between machines", 200, m{"X-A": "1|2", "Keep-Alive": "5", "X-Hop": "h", "Connection": "X-Hop"}, "", nil, `200 {"Content-Length":"0","X-A":"1,2"} null`},
		{"compressed", 200, m{"Content-Type": "application/json", "Content-Encoding": "gzip"}, zipped(`{"a":1}`), nil, `200 {"Content-Type":"application/json"} {"a":1}`},
		{"left compressed", 200, m{"Content-Type": "application/json", "Content-Encoding": "gzip"}, zipped(`{"a":1}`), []string{"DisableAutomaticDecompression"}, fmt.Sprintf(`200 {"Content-Encoding":"gzip","Content-Length":"%d","Content-Type":"application/json"} {"$content-type":"application/json","$content":"%s"}`, len(zipped(`{"a":1}`)), b64(zipped(`{"a":1}`)))},
		{"compressed in a strange way", 200, m{"Content-Type": "text/plain", "Content-Encoding": "br"}, "zz", nil, `200 {"Content-Encoding":"br","Content-Length":"2","Content-Type":"text/plain"} {"$content-type":"text/plain","$content":"eno="}`},
		{"JSON that is none", 200, m{"Content-Type": "application/json"}, `<html>`, nil, `BadRequest false: Http request failed: the content was not a valid JSON: 'Unexpected character encountered while parsing value: <. Path '', line 0, position 0.'`},
		{"which an error may have", 503, m{"Content-Type": "application/json", "Retry-After": "7"}, `<html>`, nil, `503 {"Content-Length":"6","Content-Type":"application/json","Retry-After":"7"} {"$content-type":"application/json","$content":"PGh0bWw+"}`},
		{"a redirection is not followed", 302, m{"Location": "http://127.0.0.1:1/"}, "", nil, `302 {"Content-Length":"0","Location":"http://127.0.0.1:1/"} null`},
		{"too much", 200, m{"Content-Type": "text/plain"}, strings.Repeat("x", 1001), nil, `ContentTooLarge false: Http request failed: the answer has more than 1000 bytes.`},
		{"too much behind little", 200, m{"Content-Type": "text/plain", "Content-Encoding": "gzip"}, zipped(strings.Repeat("x", 100_000)), nil, `ContentTooLarge false: Http request failed: the answer has more than 1000 bytes.`},
		{"no gzip at all", 200, m{"Content-Encoding": "gzip"}, "plain text", nil, `ConnectionFailed true: Http request failed as there is an error: 'HOST: the answer says that it is compressed, and is not: gzip: invalid header'`},
	} {
		t.Run(k.name, func(t *testing.T) {
			host := answering(t, k.status, k.headers, k.body)
			a := c.Do(within(t), &connector.Call{Type: "Http", Options: k.options, Inputs: inputs(t, `{"method": "GET", "uri": "HOST/?sig=secret"}`, host)})
			got := fmt.Sprintf("%d %s %s", a.Status, shown(a.Headers), shown(a.Body))
			if a.Code != "" {
				got = fmt.Sprintf("%s %t: %s", a.Code, a.Retryable, strings.ReplaceAll(a.Message, strings.TrimPrefix(host, "http://"), "HOST"))
			}
			if got != k.want {
				t.Errorf("got  %s\nwant %s", got, k.want)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	gone := httptest.NewServer(nethttp.NotFoundHandler())
	gone.Close()
	cut := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { panic(nethttp.ErrAbortHandler) }))
	defer cut.Close()
	secure := httptest.NewTLSServer(nethttp.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer secure.Close()
	never := make(chan struct{})
	slow := httptest.NewServer(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) { <-never }))
	defer slow.Close()
	defer close(never)
	c := made(t, Options{})
	for _, k := range []struct {
		name, uri, code, says string
		again, late           bool
	}{
		{"nobody listens", gone.URL, "ConnectionFailed", "refused", true, false},
		{"cut off", cut.URL, "ConnectionFailed", "EOF", true, false},
		{"an unknown name", "http://nowhere.invalid/", "UnresolvableHostName", "The provided host name 'nowhere.invalid' could not be resolved.", true, false},
		{"a certificate nobody vouches for", secure.URL, "SecureConnectionFailed", "certificate", false, false},
		{"too late", slow.URL, "ActionTimedOut", "did not respond within the timeout limit", false, true},
		{"where clouds keep secrets", "http://169.254.169.254/metadata?sig=secret", "AddressNotAllowed", "link-local", false, false},
		{"the same in IPv6", "http://[::ffff:169.254.169.254]/", "AddressNotAllowed", "link-local", false, false},
	} {
		t.Run(k.name, func(t *testing.T) {
			ctx := within(t)
			if k.late {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 20*time.Millisecond)
				defer cancel()
			}
			a := c.Do(ctx, &connector.Call{Type: "Http", Inputs: inputs(t, `{"method": "GET", "uri": "HOST?sig=secret"}`, k.uri)})
			if a.Code != k.code || !strings.Contains(a.Message, k.says) || a.Retryable != k.again || a.Timeout != k.late {
				t.Errorf("%+v, want %s saying %q", a, k.code, k.says)
			}
			if strings.Contains(a.Message, "sig=") {
				t.Errorf("the query of the address is in %q", a.Message)
			}
		})
	}
}

func TestReach(t *testing.T) {
	only := Reach{Only: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("169.254.1.0/24")}, Never: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}
	for _, k := range []struct {
		r    Reach
		at   string
		free bool
	}{
		{Reach{}, "127.0.0.1", true}, {Reach{}, "::1", true}, {Reach{}, "10.1.2.3", true}, {Reach{}, "93.184.216.34", true},
		{Reach{}, "169.254.169.254", false}, {Reach{}, "fe80::1", false}, {Reach{}, "fd00:ec2::254", false}, {Reach{}, "168.63.129.16", false},
		{Reach{}, "::ffff:169.254.169.254", false}, {Reach{}, "64:ff9b::a9fe:a9fe", false}, {Reach{}, "0.0.0.0", false}, {Reach{}, "224.0.0.1", false},
		{only, "10.1.2.3", true}, {only, "10.9.1.1", false}, {only, "127.0.0.1", false}, {only, "169.254.1.9", true},
	} {
		if err := k.r.check(netip.MustParseAddr(k.at)); (err == nil) != k.free {
			t.Errorf("%s: %v, want it free: %t", k.at, err, k.free)
		}
	}
}

func TestTracking(t *testing.T) {
	host := echo(t)
	c := made(t, Options{})
	who := connector.Who{Workflow: "/subscriptions/s1/resourceGroups/g1/providers/Microsoft.Logic/workflows/orders", Run: "08CU00", Action: "Call", Attempt: 2, Key: "k1", ClientTracking: "ct", ActionTracking: "at", RunTracking: "rt"}
	call := &connector.Call{Type: "Http", Who: who, Inputs: inputs(t, `{"method": "GET", "uri": "HOST/", "headers": {"x-ms-client-tracking-id": "mine"}}`, host)}
	got, _ := c.Do(within(t), call).Body.(string)
	for _, line := range []string{"X-Ms-Workflow-Id: " + callback.ID("/subscriptions/s1/resourceGroups/g1/providers/Microsoft.Logic/workflows/orders"), "X-Ms-Workflow-Name: orders", "X-Ms-Workflow-Run-Id: 08CU00", "X-Ms-Workflow-Operation-Name: Call", "X-Ms-Workflow-Run-Tracking-Id: rt",
		"X-Ms-Workflow-Subscription-Id: s1", "X-Ms-Workflow-Resourcegroup-Name: g1", "X-Ms-Client-Tracking-Id: mine", "X-Ms-Action-Tracking-Id: at", "X-Ms-Correlation-Id: at", "Weir-Idempotency-Key: k1", "Weir-Attempt: 2"} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("it lacks %q:\n%s", line, got)
		}
	}
	call.Options = []string{"SuppressWorkflowHeaders"}
	got, _ = c.Do(within(t), call).Body.(string)
	if strings.Contains(got, "Workflow") || strings.Contains(got, "Weir-") {
		t.Errorf("headers are not suppressed:\n%s", got)
	}
}

// What comes in goes out again byte for byte, through a call's answer and the next call's
// body.
func TestContentPassesThrough(t *testing.T) {
	host := echo(t)
	c := made(t, Options{})
	for _, kind := range []string{"application/octet-stream", "application/xml", "text/plain", "multipart/mixed; boundary=zz", "application/x-www-form-urlencoded"} {
		data := "--zz\r\n\r\na=1&b=\xff\x00\r\n--zz--"
		a := c.Do(within(t), &connector.Call{Type: "Http", Inputs: inputs(t, `{"method": "GET", "uri": "HOST/"}`, answering(t, 200, map[string]string{"Content-Type": kind}, data))})
		b := c.Do(within(t), &connector.Call{Type: "Http", Inputs: obj("method", "POST", "uri", host, "body", a.Body)})
		got := textOf(b.Body)
		if !strings.HasSuffix(got, "\n\n"+data) || !strings.Contains(got, "Content-Type: "+kind+"\n") {
			t.Errorf("%s went out as\n%q", kind, got)
		}
	}
}
