package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
)

// standIn is the environment variable that makes this test binary play weir.
const standIn = "WEIR_STAND_IN"

func TestMain(m *testing.M) {
	switch os.Getenv(standIn) {
	case "":
		os.Exit(m.Run())
	case "broken":
		fmt.Println("cannot open the store")
		os.Exit(3)
	default:
		play(os.Args[1:])
	}
}

// play listens at the doors it is given, is ready, and ends on SIGTERM.
func play(args []string) {
	for i, a := range args[:len(args)-1] {
		switch a {
		case "--http":
			http.HandleFunc("/healthz/ready", func(http.ResponseWriter, *http.Request) {})
			http.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"units":[{"name":"bus/%s","role":%q}]}`, Namespace, os.Getenv(standIn))
			})
			go func() { panic(http.ListenAndServe(args[i+1], nil)) }()
		case "--amqp":
			l, err := net.Listen("tcp", args[i+1])
			if err != nil {
				panic(err)
			}
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					fmt.Fprintf(c, "this is %s", args)
					c.Close()
				}
			}()
		}
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, terminate)
	<-ended
	fmt.Println("ended in order")
}

func options(t *testing.T, role string) Options {
	return Options{Binary: os.Args[0], Dir: t.TempDir(), Env: []string{standIn + "=" + role}}
}

func TestAServerKeepsItsDoors(t *testing.T) {
	s, err := New(options(t, "owner"))
	if err != nil {
		t.Fatal(err)
	}
	addr := s.Addr()
	for range 2 {
		if err := s.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		if s.Addr() != addr || !s.Running() {
			t.Fatalf("at %s, running: %v; want %s", s.Addr(), s.Running(), addr)
		}
		if err := s.Launch(); err == nil {
			t.Fatal("a running server was started again")
		}
		if err := s.Kill(); err != nil || s.Running() {
			t.Fatalf("killed with %v, running: %v", err, s.Running())
		}
	}
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("stopping a stopped server: %v", err)
	}
	if log := s.LogTail(); !strings.Contains(log, "ended in order") || strings.Count(log, "--- start") != 3 {
		t.Errorf("the log does not tell of three starts and an end:\n%s", log)
	}
}

func TestAFailedStartShowsTheLog(t *testing.T) {
	s, err := New(options(t, "broken"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "cannot open the store") {
		t.Errorf("started with: %v, want what the server said", err)
	}
}

func TestTheBalancerFindsALivingNode(t *testing.T) {
	c, err := NewCluster(options(t, "owner"), 3)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	owner, err := c.Owner(context.Background())
	if err != nil || owner != c.Nodes[0] {
		t.Fatalf("owner is %v, %v", owner, err)
	}
	for _, dead := range c.Nodes[:2] {
		if err := dead.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		conn, err := net.Dial("tcp", c.Front.Addr())
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || !strings.Contains(string(said), "--node n3") && !strings.Contains(string(said), "--node "+c.Nodes[2].Name()) {
			t.Errorf("the balancer led to %q, %v", said, err)
		}
	}
}

func TestEveryNodeKnowsAllNodes(t *testing.T) {
	args := strings.Join(membership("127.0.0.1", []int{1, 2, 3}, 1), " ")
	for _, want := range []string{"--node n2", "--cluster-listen 127.0.0.1:2", "n1=127.0.0.1:1,n2=127.0.0.1:2,n3=127.0.0.1:3"} {
		if !strings.Contains(args, want) {
			t.Errorf("%q lacks %q", args, want)
		}
	}
}

func TestAnEstateIsAListOfResources(t *testing.T) {
	path := filepath.Join(t.TempDir(), "estate.json")
	if err := WriteEstate(path, []Resource{Queue("orders", Properties{"maxDeliveryCount": 3}), SQLRule("t", "s", "r", "a = 1", "")}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"` + Namespace + `/orders"`, `"maxDeliveryCount": 3`, `"` + Namespace + `/t/s/r"`, `namespaces/topics/subscriptions/rules"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the estate lacks %s:\n%s", want, data)
		}
	}
}
