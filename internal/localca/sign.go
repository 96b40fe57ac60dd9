package localca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pair is a certificate with the key that signs in its name.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// authority loads the authority of a directory or makes it. Of two processes
// that make one at the same time the first to link its file wins and both use it.
func authority(dir string, now time.Time) (*pair, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the local CA: %w", err)
	}
	file := filepath.Join(dir, "ca.pem")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeAuthority(file, now); err != nil {
			return nil, fmt.Errorf("make the local CA: %w", err)
		}
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the local CA: %w", err)
	}
	signer, err := parsePair(data)
	if err != nil {
		return nil, fmt.Errorf("the local CA in %s cannot be used (%w); move the file away to have a new one made", file, err)
	}
	if now.After(signer.cert.NotAfter) {
		return nil, fmt.Errorf("the local CA in %s ended on %s; move the file away to have a new one made", file, signer.cert.NotAfter.Format(time.DateOnly))
	}
	return signer, exportCA(dir, signer)
}

// exportCA leaves the certificate alone in a file of its own.
func exportCA(dir string, signer *pair) error {
	want := signer.certPEM()
	if have, err := os.ReadFile(CAFile(dir)); err == nil && bytes.Equal(have, want) {
		return nil
	}
	return replaceFile(CAFile(dir), want)
}

func makeAuthority(file string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := serialNumber()
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// The number tells authorities apart in a trust store.
		Subject:               pkix.Name{CommonName: "Weir local CA " + hex.EncodeToString(serial.Bytes()[:4])},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(authorityYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	data, err := encodeSigned(template, template, key, key)
	if err != nil {
		return err
	}
	err = writeOnce(file, data)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// issue signs a certificate for hosts and returns it with its key and chain.
func (p *pair) issue(hosts []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	end := now.Add(leafLife)
	if end.After(p.cert.NotAfter) {
		end = p.cert.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Weir"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return encodeSigned(template, p.cert, key, p.key)
}

// encodeSigned signs template and encodes certificate and key as PEM.
func encodeSigned(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(data, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...), nil
}

func parsePair(data []byte) (*pair, error) {
	certBlock, rest := pem.Decode(data)
	if certBlock == nil {
		return nil, errors.New("it holds no certificate")
	}
	keyBlock, _ := pem.Decode(rest)
	if keyBlock == nil {
		return nil, errors.New("it holds no key")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("its key is not the certificate's")
	}
	return &pair{cert, key}, nil
}

func (p *pair) certPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})
}

// serialNumber draws 120 random bits with the top one set, so that its length is fixed.
func serialNumber() (*big.Int, error) {
	bytes := make([]byte, 15)
	if _, err := rand.Read(bytes); err != nil {
		return nil, err
	}
	bytes[0] = bytes[0]&0x7f | 0x40
	return new(big.Int).SetBytes(bytes), nil
}

// replaceFile puts data in place of a file, whole or not at all.
func replaceFile(file string, data []byte) error {
	temporary, err := writeBeside(file, data)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, file); err != nil {
		os.Remove(temporary)
		return err
	}
	return nil
}

// writeOnce puts data in a file that must not exist yet: fs.ErrExist if it does.
func writeOnce(file string, data []byte) error {
	temporary, err := writeBeside(file, data)
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	return os.Link(temporary, file)
}

// writeBeside writes data to a new file next to file, readable by its owner only.
func writeBeside(file string, data []byte) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if e := f.Sync(); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}
