package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// provider is a server with an identity provider: it lets ann in at the second question,
// and shows who asks.
func provider(t *testing.T) *httptest.Server {
	asked := 0
	answer := func(w http.ResponseWriter, status int, v map[string]any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+devicePath, func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, map[string]any{"device_code": "d", "message": "Enter the code XYZ.", "interval": 1, "expires_in": 60})
	})
	mux.HandleFunc("POST "+tokenPath, func(w http.ResponseWriter, r *http.Request) {
		switch asked++; {
		case r.FormValue("refresh_token") == "first":
			answer(w, 200, map[string]any{"access_token": "renewed", "refresh_token": "second", "expires_in": 3600})
		case r.FormValue("refresh_token") != "":
			answer(w, 400, map[string]any{"error": "invalid_grant", "error_description": "The password has changed."})
		case asked == 1:
			answer(w, 400, map[string]any{"error": "authorization_pending"})
		default:
			answer(w, 200, map[string]any{"access_token": "ann", "refresh_token": "first", "expires_in": 30})
		}
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, map[string]any{"node": r.Header.Get("Authorization")})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestLogin(t *testing.T) {
	s := provider(t)
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("HOME", home)
	t.Setenv("AppData", home)
	t.Setenv("WEIR_SERVER", s.URL)
	t.Setenv("WEIR_DATA", home)
	says := func(want string, args ...string) {
		t.Helper()
		p, _ := program()
		var o, e strings.Builder
		if status := Run(t.Context(), *p, Streams{In: strings.NewReader(""), Out: &o, Err: &e}, args...); status != 0 || !strings.Contains(o.String()+e.String(), want) {
			t.Fatalf("%v: %d %s %s, want %q", args, status, o.String(), e.String(), want)
		}
	}
	says("node  of", "status") // nobody
	says("Enter the code XYZ.", "login")
	says("node Bearer renewed of", "status") // the first token was about to end
	says("node Bearer renewed of", "status")
	says("node Bearer given of", "status", "--token", "given")
	dir, err := os.UserConfigDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "weir", loginFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others can read who is signed in", info, err)
	}
	data, _ := os.ReadFile(path)
	var all map[string]session
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	one := all[s.URL]
	one.Ends = one.Ends.AddDate(0, 0, -1)
	all[s.URL] = one
	data, _ = json.Marshal(all)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	says("The password has changed.", "status")
	says("node  of", "status")
	says("", "login")
	says("", "logout")
	says("node  of", "status")
}
