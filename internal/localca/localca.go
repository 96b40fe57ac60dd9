// Package localca gives a server a TLS certificate without asking anybody: it
// makes a local certificate authority on first use, signs a certificate for the
// server's names and keeps it fresh. Given certificate files take its place.
//
// What it promises:
//  1. The authority (ECDSA P-256, ten years) is made once for a directory, also
//     when two processes ask at the same time; keys are readable by their owner only.
//  2. The server's certificate lives one year and is made anew when fewer than
//     30 days are left or a name was added. Connections that stand are not touched.
//  3. Files that change on disk are used from the next handshake on. Files that can
//     not be read leave the last good certificate in use, and say so once.
//  4. TLS 1.2 is the oldest version spoken.
//
// What it refuses: to sign anything but the server's own certificate.
package localca

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say where certificates come from.
type Options struct {
	Dir      string           // where the local authority keeps its files
	Hosts    []string         // names and addresses beside the built-in ones
	CertFile string           // PEM chain; with KeyFile it takes the place of the local authority
	KeyFile  string           // PEM key
	Logger   *slog.Logger     // nil: silent
	Now      func() time.Time // nil: time.Now
}

const (
	authorityYears = 10
	leafLife       = 365 * 24 * time.Hour
	renewBefore    = 30 * 24 * time.Hour
	hostsMax       = 512 // names in one certificate
)

// Authority hands out the server's certificate. It is safe for concurrent use.
type Authority struct {
	options Options

	mu     sync.Mutex
	hosts  map[string]bool
	signer *pair // nil when certificates are given
	leaf   *tls.Certificate
	stamp  string // of the files the leaf came from
	failed string // stamp that could not be used
}

// Open loads or makes the certificates.
func Open(o Options) (*Authority, error) {
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, fmt.Errorf("a TLS certificate and its key come together: one of the two files is missing")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Authority{options: o, hosts: map[string]bool{}}
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.CertFile != "" {
		return a, a.reload()
	}
	signer, err := authority(o.Dir, o.Now())
	if err != nil {
		return nil, err
	}
	a.signer = signer
	for _, host := range append(builtInHosts(), o.Hosts...) {
		a.hosts[normal(host)] = true
	}
	if err := a.reload(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.Logger.Warn("the server certificate could not be read and is made anew", "error", err)
	}
	return a, a.freshen()
}

// CA returns the certificate of the authority in dir as PEM, making the
// authority when there is none yet.
func CA(dir string, now time.Time) ([]byte, error) {
	signer, err := authority(dir, now)
	if err != nil {
		return nil, err
	}
	return signer.certPEM(), nil
}

// CAFile is where the authority in dir leaves its certificate, without the key,
// for clients that take a file.
func CAFile(dir string) string { return filepath.Join(dir, "ca.crt") }

// TLSConfig is what a server listens with.
func (a *Authority) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.certificate() },
	}
}

// AddHosts adds names to the certificate; it is made anew when one was missing.
// With given certificates it does nothing.
func (a *Authority) AddHosts(hosts ...string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.signer == nil {
		return nil
	}
	before := maps.Clone(a.hosts)
	for _, host := range hosts {
		a.hosts[normal(host)] = true
	}
	if len(a.hosts) > hostsMax {
		a.hosts = before
		return fmt.Errorf("a certificate takes at most %d names; give your own with a wildcard", hostsMax)
	}
	return a.freshen()
}

// certificate is asked for by every handshake: it looks whether the files have
// changed or the end is near, and falls back on what it has.
func (a *Authority) certificate() (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if stamp := stampOf(a.files()); stamp != a.stamp && stamp != a.failed {
		if err := a.reload(); err != nil {
			a.failed = stamp
			a.options.Logger.Warn("the changed certificate cannot be used; the last good one stays in use", "error", err)
		}
	}
	if a.signer != nil {
		if err := a.freshen(); err != nil {
			a.options.Logger.Warn("the server certificate could not be renewed", "error", err)
		}
	}
	return a.leaf, nil
}

func (a *Authority) files() (cert, key string) {
	if a.signer == nil {
		return a.options.CertFile, a.options.KeyFile
	}
	file := filepath.Join(a.options.Dir, "server.pem")
	return file, file
}

// reload reads the certificate from its files.
func (a *Authority) reload() error {
	cert, key := a.files()
	stamp := stampOf(cert, key)
	leaf, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("load the certificate %s: %w", cert, err)
	}
	a.leaf, a.stamp, a.failed = &leaf, stamp, ""
	return nil
}

// freshen signs a new certificate when the one in use is not ours, is about to
// end or lacks a name.
func (a *Authority) freshen() error {
	if a.leaf != nil && a.fresh(a.leaf.Leaf) {
		return nil
	}
	pem, err := a.signer.issue(slices.Sorted(maps.Keys(a.hosts)), a.options.Now())
	if err != nil {
		return fmt.Errorf("sign the server certificate: %w", err)
	}
	file, _ := a.files()
	if err := replaceFile(file, pem); err != nil {
		return fmt.Errorf("keep the server certificate: %w", err)
	}
	return a.reload()
}

func (a *Authority) fresh(leaf *x509.Certificate) bool {
	if leaf.NotAfter.Sub(a.options.Now()) < renewBefore || leaf.CheckSignatureFrom(a.signer.cert) != nil {
		return false
	}
	for host := range a.hosts {
		if leaf.VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}

// builtInHosts are the names every server has.
func builtInHosts() []string {
	hosts := []string{"localhost", "127.0.0.1", "127.0.0.2", "::1"}
	if name, err := os.Hostname(); err == nil && validHost(name) {
		hosts = append(hosts, name)
	}
	return hosts
}

// validHost keeps names out that no certificate can carry.
func validHost(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for _, r := range name {
		if r > 127 || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.", r) {
			return false
		}
	}
	return true
}

// normal writes a host the one way it is compared: no port, no brackets, lower case.
func normal(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(strings.TrimSuffix(host, "."), "[]"))
}

// stampOf tells apart versions of files by size and time of change.
func stampOf(files ...string) string {
	var stamp strings.Builder
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			fmt.Fprintf(&stamp, "%d@%d ", info.Size(), info.ModTime().UnixNano())
		} else {
			stamp.WriteString("- ")
		}
	}
	return stamp.String()
}
