package api

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"weir/face/arm"
	"weir/kernel/resource"
)

// What a service serves itself is asked before all else, with bodies of any size and no
// token; what stands for a path of the resource manager is answered there, with one.
func TestMounts(t *testing.T) {
	served := arm.Under{
		Operation: func(string, resource.ID, []string) string { return "Test.Shop/shops/till/read" },
		Serve: func(w http.ResponseWriter, r *http.Request, id resource.ID, rest []string) error {
			_, err := io.WriteString(w, id.Name()+" "+strings.Join(rest, " "))
			return err
		},
	}
	server := testDoor(t, func(o *Options) {
		o.Bus = func(w http.ResponseWriter, _ *http.Request, _ net.Addr) { io.WriteString(w, "bus") }
		o.Mine = func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/counter") }
		o.Mounts = []Mount{{
			Takes: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/counter/") },
			Serve: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n, _ := io.Copy(io.Discard, r.Body)
				io.WriteString(w, "counter "+strings.Repeat("+", int(n>>20)))
			}),
		}}
		o.Under = map[string]arm.Under{"Test.Shop/shops": served}
		o.Alias = func(r *http.Request) string {
			if rest, ok := strings.CutPrefix(r.URL.Path, "/till/"); ok {
				return at("/corner/till/" + rest)
			}
			return ""
		}
	})
	for _, c := range []struct {
		path, body, token string
		status            int
		want              string
	}{
		{"/counter/x", strings.Repeat("x", 5<<20), "", 200, "counter +++++"},
		{"/counter", "", "", 200, "bus"},
		{"/till/7", "", "Bearer sesame", 200, "corner till 7"},
		{"/till/7", "", "", 401, "AuthenticationFailed"},
	} {
		g := ask(t, server, http.MethodPost, c.path, c.body, "Authorization", c.token)
		if g.status != c.status || !strings.Contains(g.body, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.path, g.status, g.body, c.status, c.want)
		}
	}
}
