// Package nodetls lets the nodes of a cluster speak TLS to each other with no
// more than the secret they share: every node derives the same certificate
// authority from it and signs a certificate for itself.
//
// What it promises:
//  1. Both sides of a connection prove that they know the secret; TLS 1.3 only.
//  2. Nothing is stored. The same secret gives the same authority on every node.
//  3. The secret is stretched (PBKDF2-HMAC-SHA-256, stretchRounds), because who
//     dials a node sees a certificate to test guesses on. A short secret is
//     refused all the same.
//
// What it refuses: to serve anybody but nodes.
package nodetls

import (
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

const (
	// SecretCharsMin is the shortest secret that is taken.
	SecretCharsMin = 16

	stretchRounds = 600_000
	salt          = "weir cluster authority v1"
	life          = 10 * 365 * 24 * time.Hour
)

// Config is what a node listens and dials with. hosts are the names and addresses
// other nodes dial it by.
func Config(secret string, hosts []string, now time.Time) (*tls.Config, error) {
	if len(secret) < SecretCharsMin {
		return nil, fmt.Errorf("the cluster's secret has %d characters; between machines it needs at least %d, best random ones", len(secret), SecretCharsMin)
	}
	seed, err := pbkdf2.Key(sha256.New, secret, []byte(salt), stretchRounds, ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive the cluster's authority: %w", err)
	}
	signer := ed25519.NewKeyFromSeed(seed)
	authority, err := sign(authorityTemplate(now), nil, signer.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("make the cluster's authority: %w", err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := sign(nodeTemplate(hosts, now), authority, public, signer)
	if err != nil {
		return nil, fmt.Errorf("make the node's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: private, Leaf: leaf}},
		RootCAs:      pool,
		ClientCAs:    pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}, nil
}

func authorityTemplate(now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Weir cluster"},
		NotBefore:             now.Add(-24 * time.Hour), // nodes' clocks may differ
		NotAfter:              now.Add(life),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
}

func nodeTemplate(hosts []string, now time.Time) *x509.Certificate {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "Weir node"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(life),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, host)
		}
	}
	return t
}

// sign makes a certificate; a nil parent signs itself.
func sign(template, parent *x509.Certificate, public any, signer ed25519.PrivateKey) (*x509.Certificate, error) {
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
