package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"weir/kernel/fault"
)

// admitted lets a management request pass when it shows the administration token,
// or came from another node, which has looked at the token already.
func (a *API) admitted(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := a.admit(r); err != nil {
			refuse(w, r, a.o.Logger, "", err)
			return
		}
		next(w, r)
	}
}

func (a *API) admit(r *http.Request) error {
	if a.o.FromNode != nil && a.o.FromNode(r) {
		return nil
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		return fault.New(fault.Unauthorized, "This door needs the administration token: send \"Authorization: Bearer TOKEN\". The token is in the file admin-token of the server's data directory, readable by its owner.")
	}
	scheme, token, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return fault.New(fault.Unauthorized, "The Authorization header must be \"Bearer TOKEN\", with the administration token from the file admin-token of the server's data directory.")
	}
	if !sameSecret(strings.TrimSpace(token), a.o.Token) {
		return fault.New(fault.Unauthorized, "This is not the administration token of this server. It is in the file admin-token of the server's data directory.")
	}
	return nil
}

// sameSecret compares in a time that tells nothing, the length included. An empty
// secret equals nothing.
func sameSecret(given, secret string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && secret != ""
}
