package http

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/service/workflow/connector"
)

// shelf takes and gives content in chunks, as the documentation describes.
type shelf struct {
	mu      sync.Mutex
	data    []byte
	got     []byte
	size    int64 // suggested
	log     []string
	keep    int64 // how much of a chunk it takes; 0: all
	silent  bool  // no Location
	range0  bool  // says nothing of what it has
	changed bool
}

func (s *shelf) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	s.log = append(s.log, fmt.Sprintf("%s %s %d %s", r.Method, r.URL.Path, len(body), r.Header.Get("Content-Range")+r.Header.Get("x-ms-content-length")+r.Header.Get("Range")))
	switch r.Method {
	case "POST":
		if r.Header.Get("x-ms-transfer-mode") != "chunked" || len(body) > 0 {
			w.WriteHeader(400)
			return
		}
		if !s.silent {
			w.Header().Set("Location", "/chunks/1")
		}
		if s.size > 0 {
			w.Header().Set("x-ms-chunk-size", strconv.FormatInt(s.size, 10))
		}
	case "PATCH":
		if r.Header.Get("Content-Type") != "application/octet-stream" || r.Header.Get("Authorization") != "K" {
			w.WriteHeader(400)
			return
		}
		if s.keep > 0 {
			body = body[:min(int64(len(body)), s.keep)]
		}
		s.got = append(s.got, body...)
		if !s.range0 {
			w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(s.got)-1))
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"ok":true}`)
	case "GET":
		from, to := int64(0), s.size-1
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
		to = min(to, int64(len(s.data))-1)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("ETag", `"v1"`)
		if s.changed && from > 0 {
			w.Header().Set("ETag", `"v2"`)
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(s.data)))
		w.WriteHeader(206)
		w.Write(s.data[from : to+1])
	}
}

func (s *shelf) at(t testing.TB) string {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

func put(t testing.TB, c *connector.Call, host string, data []byte) *connector.Call {
	c.Type, c.Chunked = "Http", true
	c.Inputs = inputs(t, `{"method": "POST", "uri": "HOST/files", "authentication": {"type": "Raw", "value": "K"}, "body": {"$content-type": "application/octet-stream", "$content": "`+base64.StdEncoding.EncodeToString(data)+`"}}`, host)
	return c
}

func TestUpload(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 25)
	c := made(t, Options{Limits: Limits{ChunkBytes: 200}})
	for _, k := range []struct {
		name string
		s    *shelf
		own  int64
		want string
	}{
		{"in the size suggested", &shelf{size: 100}, 0, "POST /files 0 250|PATCH /chunks/1 100 bytes=0-99/250|PATCH /chunks/1 100 bytes=100-199/250|PATCH /chunks/1 50 bytes=200-249/250"},
		{"at most as large as allowed", &shelf{size: 1000}, 0, "POST /files 0 250|PATCH /chunks/1 200 bytes=0-199/250|PATCH /chunks/1 50 bytes=200-249/250"},
		{"in the definition's own size", &shelf{}, 150, "POST /files 0 250|PATCH /chunks/1 150 bytes=0-149/250|PATCH /chunks/1 100 bytes=150-249/250"},
		{"on from where the other side is", &shelf{size: 200, keep: 130}, 0, "POST /files 0 250|PATCH /chunks/1 200 bytes=0-199/250|PATCH /chunks/1 120 bytes=130-249/250"},
		{"to one that does not say what it has", &shelf{size: 200, range0: true}, 0, "POST /files 0 250|PATCH /chunks/1 200 bytes=0-199/250|PATCH /chunks/1 50 bytes=200-249/250"},
	} {
		t.Run(k.name, func(t *testing.T) {
			s := k.s
			a := c.Do(within(t), put(t, &connector.Call{ChunkBytes: k.own}, s.at(t), data))
			if a.Status != 200 || shown(a.Body) != `{"ok":true}` {
				t.Fatalf("%+v", a)
			}
			if got := strings.Join(s.log, "|"); got != k.want || !bytes.Equal(s.got, data) {
				t.Errorf("got  %s\nwant %s\n%d bytes arrived", got, k.want, len(s.got))
			}
		})
	}
}

// A body that is small enough goes whole, where who calls says so.
func TestSmallBodiesGoWhole(t *testing.T) {
	host := echo(t)
	c := made(t, Options{})
	a := c.Do(within(t), put(t, &connector.Call{ChunkAbove: 4}, host, []byte("four")))
	if got := textOf(a.Body); !strings.HasSuffix(got, "\n\nfour") || strings.Contains(got, "X-Ms-Transfer-Mode") {
		t.Errorf("%+v", a)
	}
	s := &shelf{size: 100}
	if a := c.Do(within(t), put(t, &connector.Call{ChunkAbove: 4}, s.at(t), []byte("five!"))); a.Status != 200 || len(s.log) != 2 {
		t.Errorf("%+v after %v", a, s.log)
	}
}

func TestUploadsThatFail(t *testing.T) {
	data := bytes.Repeat([]byte("x"), 250)
	stuck := &shelf{size: 100, got: []byte("y")}
	stuck.keep = -1
	for _, k := range []struct {
		name   string
		s      *shelf
		limits Limits
		says   string
	}{
		{"no chunks known", &shelf{silent: true}, Limits{}, "did not say where the chunks go"},
		{"too many chunks", &shelf{size: 10}, Limits{RequestsMax: 5}, "more than 5 chunks"},
		{"too large", &shelf{}, Limits{ChunkedBytesMax: 100}, "at most 100 are sent"},
	} {
		c := made(t, Options{Limits: k.limits})
		if a := c.Do(within(t), put(t, &connector.Call{}, k.s.at(t), data)); a.Code == "" || !strings.Contains(a.Message, k.says) {
			t.Errorf("%s: %+v, want it to say %q", k.name, a, k.says)
		}
	}
	// One that takes nothing more.
	n := 0
	idle := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Location", "/c")
		if r.Method == "PATCH" {
			n++
			w.Header().Set("Range", "bytes=0-9")
		}
	}))
	defer idle.Close()
	c := made(t, Options{Limits: Limits{ChunkBytes: 100}})
	if a := c.Do(within(t), put(t, &connector.Call{}, idle.URL, data)); !strings.Contains(a.Message, "takes no more") || n > 5 {
		t.Errorf("%+v after %d chunks", a, n)
	}
}

func TestDownload(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 25)
	get := func(c *Connector, host string) connector.Answer {
		return c.Do(within(t), &connector.Call{Type: "Http", Inputs: inputs(t, `{"method": "GET", "uri": "HOST/f"}`, host)})
	}
	s := &shelf{size: 100, data: data}
	a := get(made(t, Options{}), s.at(t))
	if a.Status != 206 || textOf(a.Body) != string(data) || len(s.log) != 3 {
		t.Errorf("%+v after %v", a, s.log)
	}
	s = &shelf{size: 100, data: data, changed: true}
	if a := get(made(t, Options{}), s.at(t)); !strings.Contains(a.Message, "did not fit") {
		t.Errorf("content that changes: %+v", a)
	}
	s = &shelf{size: 10, data: data}
	if a := get(made(t, Options{Limits: Limits{RequestsMax: 5}}), s.at(t)); !strings.Contains(a.Message, "more than 5 parts") {
		t.Errorf("too many parts: %+v", a)
	}
	s = &shelf{size: 10, data: data}
	if a := get(made(t, Options{Limits: Limits{BodyBytesMax: 200}}), s.at(t)); a.Code != codeTooLarge || len(s.log) != 1 {
		t.Errorf("too large: %+v after %v", a, s.log)
	}
}

func TestPages(t *testing.T) {
	pages, asked := 4, 0
	other := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Key") != "" {
			t.Error("credentials went to another origin")
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"value": ["last"]}`)
	}))
	defer other.Close()
	s := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		asked++
		if r.Header.Get("Authorization") != "K" || r.Header.Get("X-Key") != "k" {
			t.Error("credentials are missing")
		}
		w.Header().Set("Content-Type", "application/json")
		n, _ := strconv.Atoi(r.URL.Query().Get("p"))
		next := fmt.Sprintf("/list?p=%d", n+1)
		if n+1 >= pages {
			next = other.URL
		}
		fmt.Fprintf(w, `{"@odata.context": "c", "value": [%d, %d], %q: %q}`, 2*n, 2*n+1, []string{"@odata.nextLink", "nextLink"}[n%2], next)
	}))
	defer s.Close()
	c := made(t, Options{})
	ask := func(wanted int) string {
		asked = 0
		a := c.Do(within(t), &connector.Call{Type: "Http", MinimumItems: wanted, Inputs: inputs(t, `{"method": "GET", "uri": "HOST/list", "headers": {"X-Key": "k"}, "authentication": {"type": "Raw", "value": "K"}}`, s.URL)})
		return fmt.Sprintf("%s %s", a.Code+a.Message, shown(a.Body))
	}
	if got := ask(3); got != ` {"value":[0,1,2,3]}` || asked != 2 {
		t.Errorf("%s after %d", got, asked)
	}
	if got := ask(100); got != ` {"value":[0,1,2,3,4,5,6,7,"last"]}` {
		t.Errorf("%s after %d", got, asked)
	}
	if got := ask(0); !strings.HasPrefix(got, ` {"@odata.context":"c","value":[0,1],"@odata.nextLink"`) || asked != 1 {
		t.Errorf("%s after %d", got, asked)
	}
}

func TestAsk(t *testing.T) {
	else_ := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprintf(w, "elsewhere %q %q", r.Header.Get("Authorization"), r.Header.Get("X-Key"))
	}))
	defer else_.Close()
	s := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		switch r.URL.Path {
		case "/pending":
			w.Header().Set("Location", "op2?x=1")
			w.WriteHeader(202)
		case "/done":
			nethttp.Redirect(w, r, "/result", 303)
		case "/away":
			nethttp.Redirect(w, r, else_.URL, 302)
		case "/round":
			nethttp.Redirect(w, r, "/round", 302)
		default:
			fmt.Fprintf(w, "%s %s %q %q %q", r.Method, r.URL, r.Header.Get("Authorization"), r.Header.Get("X-Key"), r.Header.Get("Content-Type"))
		}
	}))
	defer s.Close()
	c := made(t, Options{})
	ask := func(at string) connector.Answer {
		return c.Do(within(t), &connector.Call{Step: connector.Ask, Type: "Http", URL: strings.ReplaceAll(at, "HOST", s.URL), Inputs: inputs(t, `{"method": "PUT", "uri": "HOST/start", "body": {"a": 1}, "headers": {"X-Key": "k"}, "authentication": {"type": "Raw", "value": "K"}}`, s.URL)})
	}
	for _, k := range []struct{ at, want string }{
		{"HOST/status", `200 GET /status "K" "k" ""`},
		{"/status", `200 GET /status "K" "k" ""`},
		{"HOST/done", `200 GET /result "K" "k" ""`},
		{"HOST/away", `200 elsewhere "" ""`},
		{else_.URL + "/x", `200 elsewhere "" ""`},
	} {
		if a := ask(k.at); fmt.Sprintf("%d %s", a.Status, textOf(a.Body)) != k.want {
			t.Errorf("%s: %+v, want %s", k.at, a, k.want)
		}
	}
	a := ask("HOST/pending")
	if v, _ := a.Headers.Get("Location"); a.Status != 202 || v != s.URL+"/op2?x=1" {
		t.Errorf("pending: %+v", a)
	}
	for _, at := range []string{"HOST/round", "ftp://x/y"} {
		if a := ask(at); a.Code != codeBadRequest {
			t.Errorf("%s: %+v", at, a)
		}
	}
}

func TestWebhook(t *testing.T) {
	var log []string
	s := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		log = append(log, r.Method+" "+r.URL.Path+" "+string(body))
	}))
	defer s.Close()
	c := made(t, Options{})
	hook := `{"subscribe": {"method": "POST", "uri": "HOST/in", "body": {"url": "cb"}, "retryPolicy": {"type": "none"}}, "unsubscribe": {"method": "DELETE", "url": "HOST/out"}}`
	for _, step := range []connector.Step{connector.Subscribe, connector.Unsubscribe} {
		if a := c.Do(within(t), &connector.Call{Step: step, Type: "HttpWebhook", Inputs: inputs(t, hook, s.URL)}); a.Status != 200 {
			t.Errorf("%+v", a)
		}
	}
	for _, none := range []string{`{"subscribe": {"method": "POST", "uri": "HOST/in"}}`, `{"subscribe": {"method": "POST", "uri": "HOST/in"}, "unsubscribe": {}}`} {
		if a := c.Do(within(t), &connector.Call{Step: connector.Unsubscribe, Type: "HttpWebhook", Inputs: inputs(t, none, s.URL)}); a.Status != 200 {
			t.Errorf("nothing to unsubscribe from: %+v", a)
		}
	}
	if got := strings.Join(log, "|"); got != `POST /in {"url":"cb"}|DELETE /out ` {
		t.Errorf("asked %s", got)
	}
}

func TestLook(t *testing.T) {
	answers := map[string]func(w nethttp.ResponseWriter){
		"/": func(w nethttp.ResponseWriter) {
			w.Header().Set("Location", "/next?state=1")
			w.Header().Set("Retry-After", "15")
			w.WriteHeader(202)
		},
		"/next?state=1": func(w nethttp.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", "/next?state=2")
			w.Header().Set("Retry-After", "0")
			io.WriteString(w, `{"file": "a"}`)
		},
		"/next?state=2": func(w nethttp.ResponseWriter) { w.WriteHeader(201) },
		"/busy":         func(w nethttp.ResponseWriter) { w.Header().Set("Retry-After", "7"); w.WriteHeader(429) },
		"/wrong":        func(w nethttp.ResponseWriter) { w.WriteHeader(404) },
	}
	s := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.Header.Get("Authorization") != "K" {
			t.Errorf("%s without credentials", r.URL)
		}
		answers[r.URL.RequestURI()](w)
	}))
	defer s.Close()
	c := made(t, Options{})
	look := func(path string, cursor []byte) connector.Found {
		return c.Look(within(t), &connector.Watch{Type: "Http", Cursor: cursor, Inputs: inputs(t, `{"method": "GET", "uri": "HOST`+path+`", "authentication": {"type": "Raw", "value": "K"}}`, s.URL)})
	}
	f := look("/", nil)
	if f.Status != 202 || len(f.Items) != 0 || f.After != 15*time.Second || f.More || f.Code != "" {
		t.Fatalf("nothing yet: %+v", f)
	}
	f = look("/", f.Cursor)
	if f.Status != 200 || len(f.Items) != 1 || !f.More || !strings.HasSuffix(shown(f.Items[0].Outputs), `"body":{"file":"a"}}`) {
		t.Fatalf("something: %+v", f)
	}
	f = look("/", f.Cursor)
	if f.Status != 201 || len(f.Items) != 0 || f.Code != "" || f.Cursor != nil {
		t.Fatalf("neither: %+v", f)
	}
	f = look("/busy", []byte(`{"v":1,"at":"`+s.URL+`/busy"}`))
	if f.Code != "429" || !f.Retryable || f.After != 7*time.Second || len(f.Cursor) == 0 {
		t.Errorf("busy: %+v", f)
	}
	if f = look("/wrong", nil); f.Code != "NotFound" || f.Retryable || f.Status != 404 {
		t.Errorf("wrong: %+v", f)
	}
	if f = c.Look(within(t), &connector.Watch{Type: "Http", Inputs: obj("method", "GET")}); f.Code != codeBadInputs {
		t.Errorf("bad inputs: %+v", f)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{"": -1, "5": 5 * time.Second, "0.5": 500 * time.Millisecond, "-1": -1, "x": -1, "1e99": retryAfterMax, "Thu, 01 Jan 2026 00:01:00 GMT": time.Minute, "Thu, 01 Jan 2025 00:01:00 GMT": 0} {
		d, ok := retryAfter(nethttp.Header{"Retry-After": {text}}, now)
		if !ok {
			d = -1
		}
		if d != want {
			t.Errorf("%q: %s, want %s", text, d, want)
		}
	}
}
