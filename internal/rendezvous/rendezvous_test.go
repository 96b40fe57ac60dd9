package rendezvous

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"sync"
	"testing"
)

func TestTokenIsMadeOnceAndForItsOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadToken(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var all [8]string
	var wait sync.WaitGroup
	for i := range all {
		wait.Go(func() { all[i], _ = Token(dir) })
	}
	wait.Wait()
	for _, one := range all {
		if len(one) != 43 || one != all[0] {
			t.Fatal(all)
		}
	}
	if info, err := os.Stat(TokenFile(dir)); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if err := os.WriteFile(TokenFile(dir), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Token(dir); err == nil {
		t.Error("an empty token is good")
	}
}

func TestServerIsFoundUntilItWithdraws(t *testing.T) {
	dir := t.TempDir()
	want := Server{PID: 7, Node: "n1", Admin: "http://127.0.0.1:8080", Doors: map[string]string{"http": "127.0.0.1:8080"}}
	for range 2 { // a restart announces again
		if err := Announce(dir, want); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Find(dir); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatal(got, err)
	}
	for range 2 {
		if err := Withdraw(dir); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Find(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Error("files are left:", entries)
	}
}
