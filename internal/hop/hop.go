// Package hop passes a connection from the node that accepted it to the node
// that must serve it. The dialling node introduces the connection with a few
// bytes of its own choosing, both nodes prove that they know the secret they
// share, and from then on bytes are copied both ways.
//
// Nodes of one location share the cluster's secret. Nodes of two locations share
// that of their pairing: then the dialler names its location first, and the
// receiver finds the secret by that name.
//
// What it promises:
//  1. Nothing of the client's is sent, and no introduction is believed, before
//     the other side has proved that it knows the secret. Each proof covers fresh
//     random numbers of both sides, so that a recorded hop cannot be played again.
//  2. Between machines a hop is inside TLS 1.3. The certificate is not checked;
//     instead the proofs cover the TLS session's exported key, so that nobody in
//     the middle can pass them on. On the loopback interface a hop is plain.
//  3. An introduction has at most aboutBytesMax bytes, a handshake at most
//     handshakeTimeout, copying at most two buffers of copyBytes.
//  4. The proofs cover the dialler's name: a location that shares its secret with
//     another cannot be made to talk to itself.
//  5. Who names a location that is not known here is answered as who does not know
//     the secret is.
//
// What it refuses: an empty secret, and a plain hop from another machine.
//
// On the wire (v1): the dialler sends Prefix, between locations a space and its
// name, and a newline; the receiver answers 32
// random bytes; the dialler sends 32 random bytes, the length of the introduction
// (4 bytes, big endian), the introduction and a proof (HMAC-SHA-256, 32 bytes);
// the receiver answers 'Y' and its own proof, or closes.
package hop

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Prefix is what every hop begins with, so that a port can tell it apart.
const Prefix = "WEIR-HOP/1"

const (
	aboutBytesMax    = 64 << 10
	nameBytesMax     = 64
	handshakeTimeout = 5 * time.Second
	nonceBytes       = 32
	exporterLabel    = "EXPORTER-weir-hop"
)

// ErrSecret says that the other side did not prove that it knows the secret.
var ErrSecret = errors.New("the other node does not know the secret")

// Dial connects to another node's door and introduces a connection with about.
// name is the location of the one who dials when the other node is of another one,
// else empty. What is written to the result next is the client's.
func Dial(ctx context.Context, address, name string, secret, about []byte) (net.Conn, error) {
	if err := check(name, secret, about); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("reach node at %s: %w", address, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	joined, err := introduce(ctx, conn, name, secret, about)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("pass a connection to the node at %s: %w", address, err)
	}
	return joined, nil
}

func check(name string, secret, about []byte) error {
	if len(secret) == 0 {
		return errors.New("nodes pass connections on only when they share a secret")
	}
	if len(name) > nameBytesMax || strings.ContainsAny(name, " \r\n") {
		return fmt.Errorf("%q can not be the name of a location: at most %d bytes without spaces", name, nameBytesMax)
	}
	if len(about) > aboutBytesMax {
		return fmt.Errorf("an introduction of %d bytes is longer than %d", len(about), aboutBytesMax)
	}
	return nil
}

// introduce is the dialler's half of the handshake.
func introduce(ctx context.Context, conn net.Conn, name string, secret, about []byte) (net.Conn, error) {
	greeting := greetingOf(name)
	var binding []byte
	if !Loopback(conn.RemoteAddr()) {
		secured := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}) // see promise 2
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		state := secured.ConnectionState()
		var err error
		if binding, err = bind(&state); err != nil {
			return nil, err
		}
		conn = secured
	}
	if _, err := io.WriteString(conn, greeting+"\n"); err != nil {
		return nil, err
	}
	theirs := make([]byte, nonceBytes)
	if _, err := io.ReadFull(conn, theirs); err != nil {
		return nil, err
	}
	ours := fresh()
	message := append([]byte{}, ours...)
	message = binary.BigEndian.AppendUint32(message, uint32(len(about)))
	message = append(message, about...)
	message = append(message, prove(secret, greeting, "dialler", theirs, ours, binding, about)...)
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	answer := make([]byte, 1+sha256.Size)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, fmt.Errorf("it did not take the connection: %w", err)
	}
	if answer[0] != 'Y' || !hmac.Equal(answer[1:], prove(secret, greeting, "receiver", theirs, ours, binding, nil)) {
		return nil, ErrSecret
	}
	return conn, nil
}

// greetingOf is the first line of a hop, without its end.
func greetingOf(name string) string {
	if name == "" {
		return Prefix
	}
	return Prefix + " " + name
}

// Receive answers a hop that arrives on conn, which begins with Prefix, and
// returns who dialled (empty: a node of this location) and how the other node
// introduced it. secretOf finds the secret that is shared with a location, with the
// nodes of this one by the empty name; nil: there is none. state is the TLS session
// the hop is in, nil for none. What is read from conn next is the client's.
func Receive(conn net.Conn, state *tls.ConnectionState, secretOf func(name string) []byte) (name string, about []byte, err error) {
	var binding []byte
	if state != nil {
		if binding, err = bind(state); err != nil {
			return "", nil, err
		}
	} else if !Loopback(conn.RemoteAddr()) {
		return "", nil, errors.New("a hop from another machine must be inside TLS")
	}
	conn.SetDeadline(time.Now().Add(handshakeTimeout))
	defer conn.SetDeadline(time.Time{})
	name, err = greeted(conn)
	if err != nil {
		return "", nil, err
	}
	secret := secretOf(name)
	if len(secret) == 0 {
		secret = fresh() // nobody can prove that: see promise 5
	}
	ours, theirs, about, proof, err := hear(conn)
	if err != nil {
		return "", nil, err
	}
	greeting := greetingOf(name)
	if !hmac.Equal(proof, prove(secret, greeting, "dialler", ours, theirs, binding, about)) {
		return "", nil, ErrSecret
	}
	_, err = conn.Write(append([]byte{'Y'}, prove(secret, greeting, "receiver", ours, theirs, binding, nil)...))
	return name, about, err
}

// greeted reads the first line and returns the name in it. It reads no byte more.
func greeted(conn net.Conn) (name string, err error) {
	line := make([]byte, 0, len(Prefix)+1+nameBytesMax+1)
	for len(line) < cap(line) {
		line = line[:len(line)+1]
		if _, err := io.ReadFull(conn, line[len(line)-1:]); err != nil {
			return "", err
		}
		if line[len(line)-1] == '\n' {
			break
		}
	}
	rest, whole := strings.CutSuffix(string(line), "\n")
	rest, hop := strings.CutPrefix(rest, Prefix)
	name, named := strings.CutPrefix(rest, " ")
	if !whole || !hop || named != (rest != "") || named && name == "" {
		return "", errors.New("this is no hop")
	}
	return name, nil
}

// hear reads the dialler's half of the handshake behind its greeting.
func hear(conn net.Conn) (ours, theirs, about, proof []byte, err error) {
	ours = fresh()
	if _, err = conn.Write(ours); err != nil {
		return
	}
	head := make([]byte, nonceBytes+4)
	if _, err = io.ReadFull(conn, head); err != nil {
		return
	}
	theirs = head[:nonceBytes]
	size := binary.BigEndian.Uint32(head[nonceBytes:])
	if size > aboutBytesMax {
		err = fmt.Errorf("an introduction of %d bytes is longer than %d", size, aboutBytesMax)
		return
	}
	rest := make([]byte, size+sha256.Size)
	_, err = io.ReadFull(conn, rest)
	return ours, theirs, rest[:size], rest[size:], err
}

// prove says "I know the secret" in a way that is good for this hop only. The
// order is receiver's number, dialler's number on both sides.
func prove(secret []byte, greeting, who string, receiver, dialler, binding, about []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	for _, part := range [][]byte{[]byte(greeting), []byte(who), receiver, dialler, binding, about} {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(part)))
		mac.Write(size[:])
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// bind returns what only the two ends of a TLS session know.
func bind(state *tls.ConnectionState) ([]byte, error) {
	if state.Version < tls.VersionTLS13 {
		return nil, errors.New("a hop needs TLS 1.3")
	}
	return state.ExportKeyingMaterial(exporterLabel, nil, 32)
}

func fresh() []byte {
	nonce := make([]byte, nonceBytes)
	rand.Read(nonce) // never fails (crypto/rand)
	return nonce
}

// Loopback reports whether an address is on this machine's loopback interface.
func Loopback(addr net.Addr) bool {
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
