package issuer

import (
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strings"

	"weir/kernel/identity/jwt"
	"weir/kernel/resource/access"
)

// Pages. They need no script, load nothing, and cannot be framed.
var (
	loginPage   = page(`<h1>Sign in</h1><p>{{.Client}} asks who you are.</p>{{if .Problem}}<p class="problem" role="alert">{{.Problem}}</p>{{end}}<form method="post">{{range $k, $v := .Hidden}}<input type="hidden" name="{{$k}}" value="{{$v}}">{{end}}{{template "who" .}}<button>Sign in</button></form>`)
	devicePage  = page(`<h1>Sign in on another device</h1>{{if .Problem}}<p class="problem" role="alert">{{.Problem}}</p>{{end}}<p>Go on only when you have started this yourself: who knows the code acts in your name.</p><form method="post"><label>Code shown there <input name="user_code" value="{{.Code}}" autocomplete="off" required></label>{{template "who" .}}<button>Sign in</button></form>`)
	messagePage = page(`<p>{{.}}</p>`)
	postPage    = page(`<h1>Signed in</h1><form method="post" action="{{.Action}}">{{range $k, $v := .Hidden}}<input type="hidden" name="{{$k}}" value="{{$v}}">{{end}}<button>Go on</button></form>`)
)

func page(body string) *template.Template {
	t := template.Must(template.New("page").Parse(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Weir</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:4rem auto;padding:0 1rem}label{display:block;margin:.7rem 0}input{display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem}button{font:inherit;padding:.4rem 1.2rem;margin-top:.7rem}.problem{color:#a00}</style></head><body>` + body + `</body></html>`))
	template.Must(t.New("who").Parse(`<label>Name <input name="username" value="{{.Name}}" autocomplete="username" required></label><label>Password <input name="password" type="password" autocomplete="current-password" required></label>`))
	return t
}

func writePage(w http.ResponseWriter, status int, t *template.Template, data any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	_ = t.Execute(w, data) // the client has gone, if it fails
}

type loginData struct {
	Client, Problem, Name, Code string
	Hidden                      map[string]string
}

// authorizeFields are the parameters of the authorization endpoint that are used.
var authorizeFields = []string{"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge", "code_challenge_method"}

// authorize shows the login page, and leads back with a code when somebody has signed in.
func (s *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		writePage(w, http.StatusMethodNotAllowed, messagePage, "The login page takes GET and POST.")
		return
	}
	if err := r.ParseForm(); err != nil {
		writePage(w, http.StatusBadRequest, messagePage, "The request cannot be read.")
		return
	}
	a, problem := s.askedFor(r.Form)
	if problem != "" {
		writePage(w, http.StatusBadRequest, messagePage, problem) // never to an address that is not known to be the application's
		return
	}
	if what, sentence := unusable(a, r.Form); what != "" {
		s.leadBack(w, r, map[string]string{"error": what, "error_description": sentence})
		return
	}
	data := loginData{Client: a.Display, Name: r.Form.Get("login_hint"), Hidden: map[string]string{}}
	if data.Client == "" {
		data.Client = a.Name
	}
	for _, name := range authorizeFields {
		if v := r.Form.Get(name); v != "" {
			data.Hidden[name] = v
		}
	}
	if r.Method == http.MethodGet || !r.PostForm.Has("password") {
		writePage(w, http.StatusOK, loginPage, data)
		return
	}
	u, why := s.signIn(r)
	if why != "" {
		data.Problem, data.Name = why, r.PostForm.Get("username")
		writePage(w, http.StatusUnauthorized, loginPage, data)
		return
	}
	code, err := s.sign(r, jwt.Claims{
		Use: useCode, Audience: jwt.Texts{a.Client}, Object: u.Object, Preferred: u.Name, Stamp: stamp(u), Scopes: r.Form.Get("scope"), Nonce: r.Form.Get("nonce"),
		Challenge: r.Form.Get("code_challenge"), Redirect: r.Form.Get("redirect_uri"),
	}, codeFor)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	s.leadBack(w, r, map[string]string{"code": code})
}

// askedFor finds the application, and holds its address against what it declared.
func (s *Issuer) askedFor(form url.Values) (access.App, string) {
	a, ok := s.o.Directory().App(form.Get("client_id"))
	if !ok || !a.Enabled {
		return a, "AADSTS700016: No application with this client id is known here."
	}
	for _, good := range a.Redirects {
		if sameRedirect(good, form.Get("redirect_uri")) {
			return a, ""
		}
	}
	return a, "AADSTS50011: The redirect URI is none of those declared for the application."
}

// sameRedirect compares addresses; on this machine any port is good (RFC 8252).
func sameRedirect(declared, given string) bool {
	if declared == given {
		return true
	}
	d, err := url.Parse(declared)
	g, err2 := url.Parse(given)
	if err != nil || err2 != nil || d.Scheme != "http" || g.Scheme != "http" || g.User != nil || g.Fragment != "" {
		return false
	}
	host := d.Hostname()
	ip := net.ParseIP(host)
	local := host == "localhost" || ip != nil && ip.IsLoopback()
	return local && d.Port() == "" && host == g.Hostname() && strings.TrimSuffix(d.Path, "/") == strings.TrimSuffix(g.Path, "/") && d.RawQuery == g.RawQuery
}

// unusable says what is wrong with a request whose application is known.
func unusable(a access.App, form url.Values) (what, sentence string) {
	challenge, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	_, scope := readScope(form.Get("scope"), "")
	switch {
	case form.Get("response_type") != "code":
		return "unsupported_response_type", "Only response_type=code is offered."
	case challenge == "" && a.Public, challenge != "" && (method != "S256" || len(challenge) != 43):
		return "invalid_request", "A code_challenge with the method S256 (PKCE) is needed."
	case !scope || len(form.Get("scope")) > 1000 || len(form.Get("nonce")) > 500:
		return "invalid_scope", badScope.sentence
	}
	return "", ""
}

// leadBack answers to the application, through the browser.
func (s *Issuer) leadBack(w http.ResponseWriter, r *http.Request, values map[string]string) {
	if state := r.Form.Get("state"); state != "" {
		values["state"] = state
	}
	to := r.Form.Get("redirect_uri")
	if r.Form.Get("response_mode") == "form_post" {
		writePage(w, http.StatusOK, postPage, map[string]any{"Action": template.URL(to), "Hidden": values}) // one of the declared ones
		return
	}
	u, err := url.Parse(to)
	if err != nil {
		writePage(w, http.StatusBadRequest, messagePage, "The redirect URI cannot be read.")
		return
	}
	q := u.Query()
	for name, value := range values {
		q.Set(name, value)
	}
	u.RawQuery = q.Encode()
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, u.String(), http.StatusSeeOther)
}

// signIn judges the name and password of a form.
func (s *Issuer) signIn(r *http.Request) (access.User, string) {
	name, password := r.PostForm.Get("username"), r.PostForm.Get("password")
	place, from := "user "+strings.ToLower(name)+" "+peer(r), "sign-in "+peer(r)
	now := s.o.Now()
	if s.failures.full(place, now) || s.failures.full(from, now) {
		return access.User{}, tooOften.sentence
	}
	u, ok := s.o.Directory().User(name)
	if good := s.matches(r, u.PasswordHash, password); good && ok && u.Enabled && u.PasswordHash != "" {
		return u, ""
	}
	s.failures.add(place, now)
	s.failures.add(from, now)
	s.refused(r, name, "name or password is wrong, or the user is disabled")
	return access.User{}, badUser.sentence
}
