// Package rendezvous is how commands on one machine meet the server of a data
// directory: two small files, one that says where the server listens, one with
// the token that lets its owner administer it.
//
// What it promises:
//  1. The token is 256 random bits, made once for a directory, readable by the
//     directory's owner only.
//  2. Files are put in place whole; a reader never sees half of one.
//
// What it refuses: to say whether the server still runs. Whoever dials finds out.
package rendezvous

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	tokenFile  = "admin-token"
	serverFile = "server.json"
	tokenBytes = 32
)

// Server says where a server listens.
type Server struct {
	PID   int    `json:"pid"`
	Node  string `json:"node"`
	Admin string `json:"admin"` // URL of a plain HTTP door that can be dialled from this machine
	// Doors are the addresses by door: amqp, amqps, http, https, admin.
	Doors map[string]string `json:"doors"`
}

// DefaultDir is the data directory of a user who names none: weir below the XDG
// state directory.
func DefaultDir() string {
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "weir")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "weir-data" // a user without a home: beside where the program was started
	}
	return filepath.Join(home, ".local", "state", "weir")
}

// TokenFile is where the administration token of a directory lies.
func TokenFile(dir string) string { return filepath.Join(dir, tokenFile) }

// Token returns the administration token of a directory, making it first if need be.
func Token(dir string) (string, error) {
	for {
		token, err := ReadToken(dir)
		if !errors.Is(err, fs.ErrNotExist) {
			return token, err
		}
		raw := make([]byte, tokenBytes)
		rand.Read(raw) // never fails (crypto/rand)
		err = place(TokenFile(dir), []byte(base64.RawURLEncoding.EncodeToString(raw)+"\n"), os.Link)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("keep the administration token: %w", err)
		}
	}
}

// ReadToken returns the token of a directory; fs.ErrNotExist when there is none.
func ReadToken(dir string) (string, error) {
	data, err := os.ReadFile(TokenFile(dir))
	if err != nil {
		return "", fmt.Errorf("read the administration token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return "", fmt.Errorf("the administration token in %s is empty; remove the file to have a new one made", TokenFile(dir))
	}
	return token, nil
}

// Announce says in a directory where its server listens.
func Announce(dir string, s Server) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return place(filepath.Join(dir, serverFile), append(data, '\n'), os.Rename)
}

// Withdraw takes the announcement back.
func Withdraw(dir string) error {
	err := os.Remove(filepath.Join(dir, serverFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Find reads where the server of a directory said it listens; fs.ErrNotExist
// when none did.
func Find(dir string) (Server, error) {
	var s Server
	data, err := os.ReadFile(filepath.Join(dir, serverFile))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read %s: %w", filepath.Join(dir, serverFile), err)
	}
	return s, nil
}

// place writes data beside a file and moves it there: with os.Rename over what is
// there, with os.Link only if nothing is.
func place(file string, data []byte, move func(from, to string) error) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(data)
	if e := temporary.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return move(temporary.Name(), file)
}
