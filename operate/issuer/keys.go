package issuer

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"time"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/kernel/resource/access"
)

// Times of signing keys.
const (
	keyBits      = 2048
	signsFor     = 30 * 24 * time.Hour
	publishedFor = 2 * time.Hour // before it signs: verifiers fetch keys once an hour
	goodAfter    = 25 * time.Hour
)

// signer is the key to sign with now. It makes the first key, and the next one before
// the time of the last is over.
func (s *Issuer) signer(ctx context.Context) (access.SigningKey, error) {
	now := s.o.Now()
	if k, ok := s.o.Directory().Signer(now); ok && !s.due(now) {
		return k, nil
	}
	s.keys.Lock()
	defer s.keys.Unlock()
	current, ok := s.o.Directory().Signer(now)
	if ok && !s.due(now) {
		return current, nil // somebody made one while we waited
	}
	from := now
	if ok {
		from = now.Add(publishedFor)
	}
	err := s.makeKey(ctx, from)
	if ok {
		if err != nil {
			s.log.Warn("the next signing key could not be made; the one there is goes on", "error", fault.Detail(err))
		}
		return current, nil
	}
	if err != nil {
		return access.SigningKey{}, err
	}
	if current, ok = s.o.Directory().Signer(now); !ok {
		return access.SigningKey{}, fault.New(fault.Unavailable, "The new signing key is not there yet.")
	}
	return current, nil
}

// due says whether it is time to make the next key.
func (s *Issuer) due(now time.Time) bool {
	var newest time.Time
	for _, k := range s.o.Directory().Keys() {
		if k.SignsFrom.After(newest) {
			newest = k.SignsFrom
		}
	}
	return now.After(newest.Add(signsFor - publishedFor))
}

// makeKey makes a key and removes those nobody believes any more.
func (s *Issuer) makeKey(ctx context.Context, from time.Time) error {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return fmt.Errorf("make a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write a signing key: %w", err)
	}
	var name [16]byte
	if _, err := io.ReadFull(s.o.Random, name[:]); err != nil {
		return fmt.Errorf("name a signing key: %w", err)
	}
	id, err := s.o.Scope.Child(access.TypeSigningKey, hex.EncodeToString(name[:]))
	if err != nil {
		return err
	}
	_, err = s.o.Store.Put(ctx, resource.Document{ID: id, Properties: map[string]any{
		"privateKey": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"signsFrom":  from.UTC().Format(time.RFC3339Nano), "goodUntil": from.Add(signsFor + goodAfter).UTC().Format(time.RFC3339Nano),
	}}, resource.Condition{IfNoneMatch: true})
	if err != nil {
		return err
	}
	for _, k := range s.o.Directory().Keys() {
		if old, err := s.o.Scope.Child(access.TypeSigningKey, k.ID); err == nil && k.GoodUntil.Before(s.o.Now()) {
			_ = s.o.Store.Delete(ctx, old, resource.Condition{}) // the next time, if not now
		}
	}
	return s.o.Settled(ctx)
}

func (s *Issuer) unavailable(w http.ResponseWriter, err error) {
	s.log.Error("no token can be signed", "error", fault.Detail(err))
	w.Header().Set("Retry-After", "2")
	fail(w, http.StatusServiceUnavailable, oauthError{"temporarily_unavailable", 90033, fault.Sentence(err)})
}
