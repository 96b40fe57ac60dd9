package app

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Names of headers keep their case over several requests of one connection, with bodies
// that look like heads, and heads that come in pieces.
func TestSpelling(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ConnContext: connContext, ConnState: connState, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		names := spellingOf(r)
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, names["Region"], " ", names["Othername"], " ", len(names))
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(spellingListener{socket}) }()
	t.Cleanup(func() { server.Close(); <-done })
	conn, err := net.Dial("tcp", socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	ask := func(want string, pieces ...string) {
		t.Helper()
		for _, piece := range pieces {
			if _, err := io.WriteString(conn, piece); err != nil {
				t.Fatal(err)
			}
		}
		a, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if got, err := io.ReadAll(a.Body); err != nil || string(got) != want {
			t.Errorf("got %q, want %q, %v", got, want, err)
		}
	}
	ask("region otherName 2", "POST / HTTP/1.1\r\nHost: x\r\nregion: eu\r\notherName: 1\r\nContent-Length: 26\r\n\r\n", "\r\nREGION: no\r\nOTHERNAME: 2")
	ask("REGION  1", "GET / HTTP/1.1\r\nHo", "st: x\r\nREGI", "ON: eu\r\n\r", "\n")
	ask("  0", "GET / HTTP/1.1\r\nHost: x\r\nRegion: eu\r\n\r\n")
}
