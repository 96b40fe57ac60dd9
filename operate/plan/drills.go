package plan

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"weir/operate/evidence"
	"weir/operate/plan/core"
)

const (
	recordsMax     = 2000
	recordBytesMax = 16 << 20
)

// readDrills reads the records in a directory. What is no record is passed over; what was
// one and was changed is told.
func readDrills(dir string) core.Drills {
	d := core.Drills{Given: dir != ""}
	if dir == "" {
		return d
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		d.Bad = append(d.Bad, core.BadRecord{File: dir, Why: fmt.Sprintf("the records of drills can not be read: %v", err)})
		return d
	}
	slices.Reverse(entries) // names end in a time: the newest of each group are among the first
	for _, entry := range entries {
		if entry.IsDir() || !strings.HasSuffix(entry.Name(), ".json") || len(d.Records) >= recordsMax {
			continue
		}
		file := filepath.Join(dir, entry.Name())
		if info, err := entry.Info(); err != nil || info.Size() > recordBytesMax {
			continue
		}
		one, known, err := readDrill(file)
		switch {
		case err != nil:
			d.Bad = append(d.Bad, core.BadRecord{File: file, Why: err.Error()})
		case known:
			d.Records = append(d.Records, one)
		}
	}
	return d
}

// readDrill reads one record, signed or plain; not known: the file is something else.
func readDrill(file string) (d core.Drill, known bool, err error) {
	r, signer, signed := evidence.Read(file)
	if signed == nil {
		return drill(file, r, signer), true, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return d, false, err
	}
	var shape struct {
		Signature string `json:"signature"`
		evidence.Record
	}
	if json.Unmarshal(data, &shape) != nil {
		return d, false, nil
	}
	switch {
	case shape.Signature != "":
		return d, false, signed
	case shape.Group == "" || shape.At.IsZero() && shape.Began.IsZero():
		return d, false, nil
	}
	return drill(file, &shape.Record, ""), true, nil
}

func drill(file string, r *evidence.Record, signer string) core.Drill {
	d := core.Drill{
		File: file, Group: r.Group, Kind: r.Kind, At: latest(r.At, r.Ended), RPOMessages: r.RPOMessages, RTOSeconds: r.RTOSeconds,
		Config: r.Config, Signer: signer, LostAfterward: r.LostAfterSalvage,
	}
	for _, i := range r.Invariants {
		if !i.Held {
			d.Broken = append(d.Broken, strings.TrimSpace(i.What+" ("+i.Was+")"))
		}
	}
	return d
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
