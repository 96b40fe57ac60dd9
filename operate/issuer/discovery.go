package issuer

import (
	"encoding/json"
	"net/http"
	"net/url"

	"weir/kernel/identity/jwt"
	"weir/kernel/resource/access"
)

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone, if it fails
}

// discovery describes the issuer (OpenID Connect Discovery 1.0).
func (s *Issuer) discovery(w http.ResponseWriter, r *http.Request) {
	at := s.base(r) + "/" + access.TenantID
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                s.issuerURL(r),
		"authorization_endpoint":                at + "/oauth2/v2.0/authorize",
		"token_endpoint":                        at + "/oauth2/v2.0/token",
		"device_authorization_endpoint":         at + "/oauth2/v2.0/devicecode",
		"end_session_endpoint":                  at + "/oauth2/v2.0/logout",
		"jwks_uri":                              at + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic", "private_key_jwt"},
		"response_modes_supported":              []string{"query", "form_post"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"code_challenge_methods_supported":      []string{"S256"},
		"claims_supported":                      []string{"sub", "iss", "aud", "exp", "iat", "nbf", "nonce", "preferred_username", "name", "tid", "oid", "groups", "roles"},
	})
}

// keySet publishes the public keys: those that sign, that will, and that did.
func (s *Issuer) keySet(w http.ResponseWriter, r *http.Request) {
	if _, err := s.signer(r.Context()); err != nil {
		s.unavailable(w, err)
		return
	}
	keys := []jwt.JWK{}
	for _, k := range s.o.Directory().Keys() {
		if j, err := jwt.PublicJWK(k.ID, k.Private.Public()); err == nil && k.GoodUntil.After(s.o.Now()) {
			j.Algorithm = "RS256"
			keys = append(keys, j)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

// instances answers clients that ask whether an authority is one: only this one is.
func (s *Issuer) instances(w http.ResponseWriter, r *http.Request) {
	base, err := url.Parse(s.base(r))
	if err != nil {
		fail(w, http.StatusBadRequest, oauthError{"invalid_request", 900144, "The host of the request cannot be read."})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": s.base(r) + "/" + access.TenantID + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []any{map[string]any{"preferred_network": base.Host, "preferred_cache": base.Host, "aliases": []string{base.Host}}},
	})
}
