package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Ports are the doors of one server.
type Ports struct{ AMQP, AMQPS, HTTP, HTTPS int }

type door struct {
	flag string
	port int
}

// doors pairs each port with the flag of weir serve that sets it.
func (p Ports) doors() []door {
	return []door{{"amqp", p.AMQP}, {"amqps", p.AMQPS}, {"http", p.HTTP}, {"https", p.HTTPS}}
}

// FreePorts finds ports that nothing listens on. They lie below the range that
// systems take the ports of outgoing connections from, so that no client can sit
// on them while a server is down.
func FreePorts(host string) (Ports, error) {
	p, err := freePorts(host, 4)
	if err != nil {
		return Ports{}, err
	}
	return Ports{AMQP: p[0], AMQPS: p[1], HTTP: p[2], HTTPS: p[3]}, nil
}

func freePorts(host string, n int) ([]int, error) {
	const lowest, highest, triesMax = 20000, 32000, 200
	var ports []int
	for range triesMax {
		port := lowest + rand.IntN(highest-lowest)
		l, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
		if err != nil {
			continue
		}
		defer l.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("found no %d free ports on %s", n, host)
}

// Addr is host and port of the plain AMQP door.
func (s *Server) Addr() string { return s.at(s.ports.AMQP) }

func (s *Server) at(port int) string { return net.JoinHostPort(s.options.Host, fmt.Sprint(port)) }

// HTTPAddr is host and port of the plain HTTP door.
func (s *Server) HTTPAddr() string { return s.at(s.ports.HTTP) }

// TLSAddr is "localhost" and the port of the AMQPS door: the name that the
// server's certificate holds.
func (s *Server) TLSAddr() string { return fmt.Sprintf("localhost:%d", s.ports.AMQPS) }

// HTTPSAddr is "localhost" and the port of the HTTPS door.
func (s *Server) HTTPSAddr() string { return fmt.Sprintf("localhost:%d", s.ports.HTTPS) }

// emulatorKey is the key every emulator connection string carries.
const emulatorKey = "SAS_KEY_VALUE"

// RootKeyName is the name of the rule that may do everything.
const RootKeyName = "RootManageSharedAccessKey"

// Emulator is the connection string of a development emulator for the plain
// AMQP door of this server.
func (s *Server) Emulator() string { return EmulatorAt(s.Addr(), RootKeyName, emulatorKey) }

// EmulatorAs is Emulator with another rule's name and key.
func (s *Server) EmulatorAs(keyName, key string) string { return EmulatorAt(s.Addr(), keyName, key) }

// EmulatorAt is the emulator's connection string for an address.
func EmulatorAt(addr, keyName, key string) string {
	return fmt.Sprintf("Endpoint=sb://%s;SharedAccessKeyName=%s;SharedAccessKey=%s;UseDevelopmentEmulator=true;", addr, keyName, key)
}

// OverTLS is the connection string for the AMQPS door, with a declared rule.
func (s *Server) OverTLS(keyName, key string) string {
	return fmt.Sprintf("Endpoint=sb://%s/;SharedAccessKeyName=%s;SharedAccessKey=%s", s.TLSAddr(), keyName, key)
}

// readyEvery is how often readiness is asked for.
const readyEvery = 20 * time.Millisecond

// WaitReady waits until the server says that it is ready.
func (s *Server) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	p := s.current()
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		if code, _, err := s.Get(ctx, "/healthz/ready"); err == nil && code == http.StatusOK {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("the server ended before it was ready: %v\n%s", p.exit(), s.LogTail())
		case <-ctx.Done():
			return fmt.Errorf("the server was not ready within %s: %w\n%s", readyWithin, ctx.Err(), s.LogTail())
		case <-tick.C:
		}
	}
}

// bodyBytesMax bounds what is read of an answer.
const bodyBytesMax = 16 << 20

// Get asks the plain HTTP door for a path.
func (s *Server) Get(ctx context.Context, path string) (status int, body []byte, err error) {
	return s.Ask(ctx, http.MethodGet, path, nil)
}

// Ask sends a request to the plain HTTP door, with the administration token when
// the server has written one.
func (s *Server) Ask(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.HTTPAddr()+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if token, err := os.ReadFile(filepath.Join(s.Data(), "admin-token")); err == nil {
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	resp, err := s.options.Inside.client().Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, bodyBytesMax))
	return resp.StatusCode, answer, err
}

// Unit is what a node says of one unit of continuity.
type Unit struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Owner    string `json:"owner"`
	Epoch    uint64 `json:"epoch"`
	Position uint64 `json:"position"`
}

// Units asks the node for its units.
func (s *Server) Units(ctx context.Context) ([]Unit, error) {
	code, body, err := s.Get(ctx, "/status")
	if err != nil {
		return nil, err
	}
	var status struct {
		Units []Unit `json:"units"`
	}
	if err := json.Unmarshal(body, &status); code != http.StatusOK || err != nil {
		return nil, fmt.Errorf("status of the node: %d %s", code, body)
	}
	return status.Units, nil
}

// CA is the PEM of the authority that signed the server's certificate, as
// `weir ca` exports it.
func (s *Server) CA(ctx context.Context) ([]byte, error) {
	return s.Run(ctx, "ca", "--data", s.Data())
}

// Run runs another command of the same binary and returns what it prints.
func (s *Server) Run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.options.Binary, args...)
	cmd.Env = append(cmd.Environ(), s.options.Env...)
	out, err := cmd.Output()
	if err != nil {
		said := ""
		if exit, ok := err.(*exec.ExitError); ok {
			said = ": " + string(exit.Stderr)
		}
		return out, fmt.Errorf("weir %v: %w%s", args, err, said)
	}
	return out, nil
}
