package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/kernel/resource/access"
)

// Signing in as a person.
const (
	loginScope  = "https://management.azure.com/user_impersonation openid offline_access"
	loginSpare  = time.Minute // a token that ends sooner is renewed before it is used
	loginFile   = "logins.json"
	tokenPath   = "/" + access.TenantID + "/oauth2/v2.0/token"
	devicePath  = "/" + access.TenantID + "/oauth2/v2.0/devicecode"
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
)

// session is what a person has who signed in at one server.
type session struct {
	Access  string    `json:"access"`
	Refresh string    `json:"refresh"`
	Ends    time.Time `json:"ends"`
}

// granted is the answer of the token endpoint.
type granted struct {
	Access      string `json:"access_token"`
	Refresh     string `json:"refresh_token"`
	Seconds     int    `json:"expires_in"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func (l *line) login() *cobra.Command {
	return l.remote(&cobra.Command{
		Use: "login", Short: "Sign in at the server as yourself", Args: cobra.NoArgs,
		Long: `Sign in with a browser, on this machine or another one. Commands to this server then
act in your name, with the roles you have, until "weir logout". --token wins over it;
the administration token of the data directory is used where nobody is signed in.

Users are resources of the type Weir.Identity/users; an administrator declares them:
  echo '{type: Weir.Identity/users, name: ann, properties: {password: ...}}' | weir deploy -`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := l.door()
			if err != nil {
				return err
			}
			s, err := l.signIn(cmd.Context(), d)
			if err != nil {
				return err
			}
			if err := l.saveSession(d.url, &s); err != nil {
				return err
			}
			fmt.Fprintln(l.Err, "You are signed in at "+d.url+".")
			return nil
		},
	}, "trust")
}

func (l *line) logout() *cobra.Command {
	return l.remote(&cobra.Command{
		Use: "logout", Short: "Forget who is signed in at the server", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			d, err := l.door()
			if err != nil {
				return err
			}
			return l.saveSession(d.url, nil)
		},
	}, "trust")
}

// signIn begins a sign-in and waits until somebody has ended it in a browser.
func (l *line) signIn(ctx context.Context, d *door) (session, error) {
	var begun struct {
		Device   string `json:"device_code"`
		Message  string `json:"message"`
		Interval int    `json:"interval"`
		Seconds  int    `json:"expires_in"`
		granted
	}
	err := d.form(ctx, devicePath, url.Values{"client_id": {access.CLIClientID}, "scope": {loginScope}}, &begun)
	if err == nil && begun.Device == "" {
		err = errors.New(begun.Description)
	}
	if err != nil {
		return session{}, fmt.Errorf("begin to sign in: %w", err)
	}
	fmt.Fprintln(l.Err, begun.Message)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(begun.Seconds)*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Duration(max(1, begun.Interval)) * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return session{}, errors.New("nobody signed in; begin again with \"weir login\"")
		}
		var g granted
		err := d.form(ctx, tokenPath, url.Values{"grant_type": {deviceGrant}, "client_id": {access.CLIClientID}, "device_code": {begun.Device}}, &g)
		switch {
		case err != nil:
			return session{}, err
		case g.Access != "":
			return g.session(), nil
		case g.Error != "authorization_pending":
			return session{}, errors.New(g.Description)
		}
	}
}

func (g granted) session() session {
	return session{g.Access, g.Refresh, time.Now().Add(time.Duration(g.Seconds) * time.Second)}
}

// form posts a form and reads the answer, a refusal too.
func (d *door) form(ctx context.Context, path string, form url.Values, answer any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	said, err := d.client.Do(r)
	if err != nil {
		return d.unreachable(err)
	}
	defer said.Body.Close()
	data, err := io.ReadAll(io.LimitReader(said.Body, answerBytesMax))
	if err == nil && json.Unmarshal(data, answer) != nil {
		err = fmt.Errorf("%s answered %s and no token; is --server right?", d.url, said.Status)
	}
	return err
}

// loggedIn is the token of who is signed in at the server, renewed when it is about to
// end; empty when nobody is.
func (l *line) loggedIn(d *door) string {
	s, ok := l.sessions()[d.url]
	if !ok || s.Refresh == "" && time.Now().After(s.Ends) {
		return ""
	}
	if time.Now().Add(loginSpare).Before(s.Ends) {
		return s.Access
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	var g granted
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {access.CLIClientID}, "refresh_token": {s.Refresh}, "scope": {loginScope}}
	if err := d.form(ctx, tokenPath, form, &g); err != nil {
		return s.Access // the command itself says what is wrong
	}
	if g.Access == "" {
		fmt.Fprintln(l.Err, "You are not signed in any more ("+g.Description+"); sign in again with \"weir login\".")
		_ = l.saveSession(d.url, nil) // it is of no use
		return ""
	}
	s = g.session()
	if err := l.saveSession(d.url, &s); err != nil {
		fmt.Fprintf(l.Err, "The renewed sign-in could not be kept: %v\n", err)
	}
	return s.Access
}

// sessionsFile is where sign-ins are kept, readable by their owner alone.
func sessionsFile() (string, error) {
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "weir", loginFile), err
}

// sessions are the sign-ins by server. A file that cannot be read is none.
func (l *line) sessions() map[string]session {
	all := map[string]session{}
	path, err := sessionsFile()
	if err != nil {
		return all
	}
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(l.Err, "The sign-ins in %s cannot be read: %v\n", path, err)
	}
	return all
}

// saveSession keeps a sign-in; nil forgets it.
func (l *line) saveSession(server string, s *session) error {
	path, err := sessionsFile()
	if err != nil {
		return fmt.Errorf("find where to keep who is signed in: %w", err)
	}
	all := l.sessions()
	if delete(all, server); s != nil {
		all[server] = *s
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		return fmt.Errorf("keep who is signed in: %w", err)
	}
	return os.Rename(fresh, path)
}
