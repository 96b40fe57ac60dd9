package issuer

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"weir/kernel/identity/jwt"
	"weir/kernel/resource/access"
)

// Bounds of sign-ins on other devices.
const (
	deviceFor   = 15 * time.Minute
	devicesMax  = 1000
	deviceEvery = 5 // seconds between a device's questions
)

// devices are sign-ins that wait for a person.
type devices struct {
	mu     sync.Mutex
	byCode map[string]*device // by device code
}

// device is one of them.
type device struct {
	user    string // code that the person types in
	client  string
	scope   string
	until   time.Time
	granted *jwt.Claims // of who signed in
}

func newDevices() devices { return devices{byCode: map[string]*device{}} }

// codeLetters are those that are not taken for others.
const codeLetters = "BCDFGHJKLMNPQRSTVWXZ"

func (s *Issuer) userCode() (string, error) {
	raw := make([]byte, 9)
	if _, err := io.ReadFull(s.o.Random, raw); err != nil {
		return "", err
	}
	code := make([]byte, len(raw))
	for i, b := range raw {
		code[i] = codeLetters[int(b)%len(codeLetters)]
	}
	return string(code), nil
}

// deviceCode begins a sign-in on another device (RFC 8628).
func (s *Issuer) deviceCode(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.Method != http.MethodPost {
		fail(w, http.StatusBadRequest, oauthError{"invalid_request", 900144, "A device asks with a form, by POST."})
		return
	}
	a, ok := s.o.Directory().App(r.PostForm.Get("client_id"))
	_, scope := readScope(r.PostForm.Get("scope"), "")
	switch {
	case !ok || !a.Enabled || !a.Public:
		fail(w, http.StatusBadRequest, oauthError{"unauthorized_client", 700016, "No public application with this client id is known here."})
		return
	case !scope || len(r.PostForm.Get("scope")) > 1000:
		fail(w, http.StatusBadRequest, badScope)
		return
	}
	user, err := s.userCode()
	code, err2 := s.random(32)
	if err != nil || err2 != nil || !s.devices.add(code, &device{user: user, client: a.Client, scope: r.PostForm.Get("scope"), until: s.o.Now().Add(deviceFor)}, s.o.Now()) {
		w.Header().Set("Retry-After", "60")
		fail(w, http.StatusServiceUnavailable, oauthError{"temporarily_unavailable", 90033, "Too many devices wait for somebody to sign in."})
		return
	}
	at := s.base(r) + "/weir/oauth2/device"
	writeJSON(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": user, "verification_uri": at, "verification_url": at, "verification_uri_complete": at + "?user_code=" + user,
		"expires_in": int(deviceFor.Seconds()), "interval": deviceEvery,
		"message": "To sign in, open the page " + at + " in a browser and enter the code " + user + ".",
	})
}

func (d *devices) add(code string, one *device, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, old := range d.byCode {
		if old.until.Before(now) {
			delete(d.byCode, key)
		}
	}
	if len(d.byCode) >= devicesMax {
		return false
	}
	d.byCode[code] = one
	return true
}

// grant lets who signed in answer for the device that shows a code.
func (d *devices) grant(user string, u access.User, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.byCode {
		if one.user == user && one.until.After(now) && one.granted == nil {
			one.granted = &jwt.Claims{Object: u.Object, Preferred: u.Name, Stamp: stamp(u)}
			return true
		}
	}
	return false
}

// take gives what a device waits for, once.
func (d *devices) take(code string, a access.App, now time.Time) (granted *jwt.Claims, scope, refusal string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := d.byCode[code]
	switch {
	case one == nil || one.client != a.Client || one.until.Before(now):
		return nil, "", "expired_token"
	case one.granted == nil:
		return nil, "", "authorization_pending"
	}
	delete(d.byCode, code)
	return one.granted, one.scope, ""
}

// redeemDevice answers a device that asks whether somebody has signed in.
func (s *Issuer) redeemDevice(w http.ResponseWriter, r *http.Request, form url.Values) {
	a, ok := s.client(w, r, form, false)
	if !ok {
		return
	}
	code := form.Get("device_code")
	if code == "" {
		code = form.Get("code")
	}
	granted, scope, refusal := s.devices.take(code, a, s.o.Now())
	switch refusal {
	case "authorization_pending":
		fail(w, http.StatusBadRequest, oauthError{refusal, 70016, "Nobody has signed in with the code yet."})
	case "":
		s.grantPerson(w, r, a, granted, scope, "")
	default:
		fail(w, http.StatusBadRequest, oauthError{refusal, 70020, "The code has expired, or was used: begin again."})
	}
}

// devicePage is where a person types the code in.
func (s *Issuer) devicePage(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		writePage(w, http.StatusBadRequest, messagePage, "The request cannot be read.")
		return
	}
	data := loginData{Code: r.Form.Get("user_code")}
	if r.Method != http.MethodPost {
		writePage(w, http.StatusOK, devicePage, data)
		return
	}
	u, why := s.signIn(r)
	if why == "" {
		code := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(data.Code))
		if s.devices.grant(code, u, s.o.Now()) {
			writePage(w, http.StatusOK, messagePage, "You are signed in. Go back to the device; this page can be closed.")
			return
		}
		s.failures.add("sign-in "+peer(r), s.o.Now())
		why = "No device waits with this code: it may have expired."
	}
	data.Problem, data.Name = why, r.PostForm.Get("username")
	writePage(w, http.StatusUnauthorized, devicePage, data)
}
