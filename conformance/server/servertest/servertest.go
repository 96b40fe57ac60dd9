// Package servertest gives tests a real weir server: it builds the command once
// per test run, starts it in a directory of the test, and stops it when the test
// ends. When the test has failed, the server's log is printed with it.
package servertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"weir/conformance/server"
)

// BinaryVariable names the environment variable that gives a ready binary, for
// example one built with the race detector, in place of building one.
const BinaryVariable = "WEIR_BINARY"

// Main runs a package's tests and then removes what Binary built.
func Main(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// Binary returns the path of the weir command, built from this source tree.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(BinaryVariable); path != "" {
		return path
	}
	built.once.Do(func() {
		if built.err = lookAtSources(); built.err == nil {
			built.path, built.err = build()
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// lookAtSources reads the folders that the server is built from. The go command
// keeps the result of a test until something the test has looked at changes, and
// it does not see what a process that the test starts was built from.
func lookAtSources() error {
	root, err := filepath.Abs(".")
	for err == nil {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(root)
		if up == root {
			return errors.New("the tests must run inside weir's module")
		}
		root = up
	}
	return filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() || path == root {
			return err
		}
		if name := d.Name(); name == "testdata" || name == "conformance" || strings.HasPrefix(name, ".") {
			return filepath.SkipDir
		}
		return nil
	})
}

func build() (string, error) {
	dir, err := os.MkdirTemp("", "weir-conformance-")
	if err != nil {
		return "", err
	}
	built.dir = dir
	path := filepath.Join(dir, "weir")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, "weir/cmd/weir").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build weir: %w\n%s", err, out)
	}
	return path, nil
}

// Start starts a server with the given resources declared.
func Start(t testing.TB, resources []server.Resource, args ...string) *server.Server {
	t.Helper()
	dir := t.TempDir()
	o := server.Options{Binary: Binary(t), Dir: dir, Args: args}
	if len(resources) > 0 {
		o.Deploy = filepath.Join(dir, "estate.json")
		if err := server.WriteEstate(o.Deploy, resources); err != nil {
			t.Fatal(err)
		}
	}
	return StartWith(t, o)
}

// StartWith starts a server with options of the test's own.
func StartWith(t testing.TB, o server.Options) *server.Server {
	t.Helper()
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { finish(t, s) })
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

// finish stops a server; one that ends badly fails the test.
func finish(t testing.TB, s *server.Server) {
	if err := s.Stop(); err != nil {
		t.Errorf("stop the server: %v", err)
	}
	if t.Failed() {
		t.Log(s.LogTail())
	}
}

// CAFile exports the server's certificate authority into the test's directory.
func CAFile(t testing.TB, s *server.Server) string {
	t.Helper()
	pem, err := s.CA(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(pem), "BEGIN CERTIFICATE") {
		t.Fatalf("weir ca printed no certificate: %q", pem)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
