package drill

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"weir/operate/evidence"
)

// published writes a record as a drill would, and returns what was said and its file.
func published(t *testing.T, dir string, r *evidence.Record, json bool) (said, file string, err error) {
	t.Helper()
	f := flags{out: dir, json: json}
	key, err := f.signer()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetOut(&out)
	cmd.SetErr(&bytes.Buffer{})
	err = f.publish(cmd, r, key)
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	if len(files) != 1 {
		t.Fatalf("records: %v", files)
	}
	return out.String(), files[0], err
}

func record(held bool) *evidence.Record {
	return &evidence.Record{Group: "orders", Kind: Switch, Began: time.Unix(9, 0), Ended: time.Unix(99, 0), Invariants: []evidence.Invariant{{What: "nothing is lost", Held: held, Was: "1 lost"}}}
}

// Who runs drills from a timer looks at the exit status, whatever form the record has.
func TestWhatDidNotHoldFails(t *testing.T) {
	for _, json := range []bool{false, true} {
		said, _, err := published(t, t.TempDir(), record(false), json)
		if err == nil || !strings.Contains(err.Error(), "nothing is lost (1 lost)") || !strings.Contains(said, "nothing is lost") {
			t.Errorf("json %v: %v\n%s", json, err, said)
		}
		if _, _, err := published(t, t.TempDir(), record(true), json); err != nil {
			t.Errorf("json %v: everything held, and %v", json, err)
		}
	}
}

// A record that was changed and signed again is found out by who knows the key.
func TestASignerCanBeAskedFor(t *testing.T) {
	_, file, err := published(t, t.TempDir(), record(true), true)
	if err != nil {
		t.Fatal(err)
	}
	_, signer, err := evidence.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	_, forged, err := published(t, t.TempDir(), record(true), true)
	if err != nil {
		t.Fatal(err)
	}
	check := func(args ...string) error {
		cmd := verify()
		cmd.SetArgs(args)
		cmd.SetOut(&bytes.Buffer{})
		cmd.SetErr(&bytes.Buffer{})
		return cmd.Execute()
	}
	if err := check("--signer", signer, file); err != nil {
		t.Error(err)
	}
	if err := check(forged); err != nil {
		t.Error(err)
	}
	if err := check("--signer", signer, file, forged); err == nil || !strings.Contains(err.Error(), "not by "+signer) {
		t.Errorf("another key signed, and %v", err)
	}
}

// What can not be written down is found before the group is touched.
func TestARecordHasAPlaceBeforeTheDrill(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&flags{out: filepath.Join(blocked, "drills")}).signer(); err == nil || !strings.Contains(err.Error(), "--out") {
		t.Errorf("a directory that can not be: %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := flags{out: filepath.Join(dir, "drills"), key: filepath.Join(dir, "keys")}
	if _, err := f.signer(); err != nil {
		t.Fatal(err)
	}
	for where, want := range map[string]int{f.out: 0, f.key: 1} {
		if all, err := os.ReadDir(where); err != nil || len(all) != want {
			t.Errorf("%s holds %v (%v)", where, all, err)
		}
	}
}
