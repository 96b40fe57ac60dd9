package bus

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"weir/kernel/identity"
	"weir/kernel/resource"
)

// adminDoor is the HTTP side of a house.
func (h *house) adminDoor() string {
	h.t.Helper()
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-ms-request-id", "ID")
		h.bus.ServeHTTP(w, r, Asked{Peer: &net.TCPAddr{}, Loopback: true})
	}))
	h.t.Cleanup(door.Close)
	return door.URL
}

// Conversations with the admin API. Lines with '>' are a request and its headers, then
// comes its body; lines with '<' and what follows are the answer, which -update writes.
// Requests are made as the emulator's rule, unless they bring a token: "as NAME".
func TestAdminConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/atom/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no conversations", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			h := newHouse(t)
			sku := "Standard"
			if strings.Contains(file, "premium") {
				sku = "Premium"
			}
			h.putNamespace("plenty", sku)
			for _, right := range []string{"Send", "Listen"} {
				h.put(typeNamespace+"/authorizationRules", "plenty/Only"+right, map[string]any{"rights": []any{right}, "primaryKey": "only-" + right + "-key"})
			}
			h.await("readiness", func() bool {
				return h.bus.Ready() == nil && len(h.bus.Units()) == 1 && h.bus.all()[0].rules.Load() != nil
			})
			h.await("rules", func() bool { return len(h.bus.all()[0].rules.Load().all) >= 4 })
			h.administer(file, h.adminDoor())
		})
	}
}

func (h *house) administer(file, url string) {
	t := h.t
	t.Helper()
	text, err := os.ReadFile(file)
	h.must(err)
	var out bytes.Buffer
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	for i := 0; i < len(lines); {
		if !strings.HasPrefix(lines[i], "> ") {
			fmt.Fprintln(&out, lines[i])
			i++
			continue
		}
		var head, body []string
		for ; i < len(lines) && strings.HasPrefix(lines[i], "> "); i++ {
			fmt.Fprintln(&out, lines[i])
			head = append(head, lines[i][2:])
		}
		for ; i < len(lines) && !strings.HasPrefix(lines[i], "<  ") && lines[i] != ""; i++ {
			fmt.Fprintln(&out, lines[i])
			body = append(body, lines[i])
		}
		for ; i < len(lines) && strings.HasPrefix(lines[i], "<  "); i++ { // the old answer
		}
		for line := range strings.SplitSeq(h.request(url, head, strings.Join(body, "\n")), "\n") {
			fmt.Fprintln(&out, "<  "+line)
		}
	}
	compare(t, file, out.String())
}

// putNamespace declares a namespace of a tier.
func (h *house) putNamespace(name, sku string) {
	h.t.Helper()
	id, err := resource.MustID(scope).Resource(typeNamespace, name)
	h.must(err)
	_, err = h.registry.Put(h.within(), resource.Document{ID: id, SKU: &resource.SKU{Name: sku}}, resource.Condition{})
	h.must(err)
}

var (
	someTime  = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	someKey   = regexp.MustCompile(`[A-Za-z0-9+/]{43}=`)
	betweenIt = regexp.MustCompile(`>\s*<`)
)

// request makes one and tells its answer, without what differs from run to run.
func (h *house) request(url string, head []string, body string) string {
	h.t.Helper()
	method, path, _ := strings.Cut(head[0], " ")
	q, err := http.NewRequestWithContext(h.within(), method, url+path, strings.NewReader(body))
	h.must(err)
	q.Host = "plenty.servicebus.windows.net"
	q.Header.Set("Authorization", h.token(identity.EmulatorKeyName, identity.EmulatorKey, path))
	for _, line := range head[1:] {
		if who, ok := strings.CutPrefix(line, "as "); ok {
			q.Header.Set("Authorization", h.token(who, "only-"+strings.TrimPrefix(who, "Only")+"-key", path))
			continue
		}
		name, value, _ := strings.Cut(line, ": ")
		if name == "Authorization" && value == "" {
			q.Header.Del(name)
			continue
		}
		q.Header.Set(name, value)
	}
	a, err := http.DefaultClient.Do(q)
	h.must(err)
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	h.must(err)
	text := betweenIt.ReplaceAllString(string(data), ">\n<")
	text = someKey.ReplaceAllString(someTime.ReplaceAllString(text, "TIME"), "KEY")
	return strings.TrimSuffix(fmt.Sprintf("%d %s\n%s", a.StatusCode, a.Header.Get("Content-Type"), text), "\n")
}

// token signs the whole address of a request in lower case, as clients do.
func (h *house) token(name, key, path string) string {
	return identity.SignToken("https://plenty.servicebus.windows.net"+strings.ToLower(path), name, key, time.Now().Add(time.Hour))
}
