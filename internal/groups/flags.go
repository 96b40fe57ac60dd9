package groups

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"weir/internal/settings"
)

// Flags are locations as an operator writes them.
type Flags struct {
	Locations  []string // NAME=URL, then HOST:PORT and further URLs, until the next NAME=
	Token      string
	TokenFiles []string // FILE, or NAME=FILE
	CAFiles    []string
}

// Declare lets an operator set them; what stands in f is the default.
func (f *Flags) Declare(set *settings.Set) {
	g := set.Group("Locations")
	g.Strings(&f.Locations, "location", "NAME=URL,HOST:PORT", "A location: its name, the URL of an HTTP door to ask, and the door clients use. Once for each location; several nodes: further URLs and doors, separated by commas.")
	g.Strings(&f.TokenFiles, "token-file", "[NAME=]FILE", "File with the administration token of the locations, or of the location NAME alone.")
	g.Secret(&f.Token, "token", "Administration token of the locations that have no --token-file.")
	g.Strings(&f.CAFiles, "ca-file", "FILE", "Certificate authority (PEM) of the locations' HTTPS doors, beside those of the system; \"weir ca\" prints that of a location.")
}

// Read makes the locations, reading the files that are named. Each has its token, and a
// client that trusts the authorities.
func (f Flags) Read() ([]Location, *tls.Config, error) {
	all, err := f.parse()
	if err != nil {
		return nil, nil, err
	}
	if err := f.tokens(all); err != nil {
		return nil, nil, err
	}
	trust, err := f.trust()
	if err != nil {
		return nil, nil, err
	}
	client := &http.Client{Timeout: requestTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust}}
	for i := range all {
		all[i].Client = client
	}
	return all, trust, nil
}

// parse reads the list that --location makes: commas and repetition are one.
func (f Flags) parse() ([]Location, error) {
	var all []Location
	for _, text := range f.Locations {
		name, rest, named := strings.Cut(text, "=")
		if named && !strings.Contains(name, "://") {
			all = append(all, Location{Name: name})
			text = rest
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("--location %s: a location begins with its name, as west=https://HOST:PORT,HOST:PORT", text)
		}
		last := &all[len(all)-1]
		if strings.Contains(text, "://") {
			last.Admin = append(last.Admin, text)
		} else {
			last.Doors = append(last.Doors, text)
		}
	}
	return all, nil
}

// tokens gives each location its token.
func (f Flags) tokens(all []Location) error {
	for i := range all {
		all[i].Token = f.Token
	}
	var named []string
	for _, text := range f.TokenFiles {
		name, file, ok := strings.Cut(text, "=")
		if i := slices.IndexFunc(all, func(l Location) bool { return l.Name == name }); ok && i >= 0 {
			token, err := readToken(file)
			if err != nil {
				return err
			}
			all[i].Token = token
			named = append(named, name)
			continue
		}
		token, err := readToken(text)
		if err != nil {
			return err
		}
		for i := range all {
			if !slices.Contains(named, all[i].Name) {
				all[i].Token = token
			}
		}
	}
	for _, l := range all {
		if l.Token == "" {
			return fmt.Errorf("the location %s is asked with its administration token: --token-file %s=FILE, the file admin-token of its data directory", l.Name, l.Name)
		}
	}
	return nil
}

func readToken(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the administration token (--token-file): %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return "", fmt.Errorf("the file %s (--token-file) holds no token", file)
	}
	return token, nil
}

// trust is the system's and the given authorities.
func (f Flags) trust() (*tls.Config, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, file := range f.CAFiles {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a certificate authority (--ca-file): %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the file %s (--ca-file) holds no certificate in PEM", file)
		}
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
