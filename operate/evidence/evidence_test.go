package evidence

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestARecordIsWhatWasSigned(t *testing.T) {
	dir := t.TempDir()
	key, err := Key(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Key(dir)
	if err != nil || !key.Equal(again) {
		t.Fatalf("the key is another one the second time: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, keyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	file := filepath.Join(dir, "record.json")
	in := &Record{Group: "orders", Kind: "kill", At: time.Unix(1, 0).UTC(), RPOMessages: 3, Invariants: []Invariant{{What: "nothing is lost", Held: true}}}
	if err := Write(file, in, key); err != nil {
		t.Fatal(err)
	}
	out, _, err := Read(file)
	if err != nil || out.RPOMessages != 3 || !out.Good() {
		t.Fatalf("read %+v, %v", out, err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{{`"rpoMessages":3`, `"rpoMessages":0`}, {`"record":{`, `"record": {`}, {`"key":"`, `"key":"A`}} {
		changed := bytes.Replace(data, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, data) {
			t.Fatalf("nothing to change at %s", change[0])
		}
		if err := os.WriteFile(file, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := Read(file)
		if harmless := change[1] == `"record": {`; err == nil != harmless {
			t.Errorf("changed to %s: %v", change[1], err)
		}
	}
}
