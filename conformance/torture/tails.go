package torture

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"weir/conformance/server"
	"weir/conformance/torture/ledger"
	"weir/internal/groups"
)

// salvage decides about what a location has alone, and writes its ledger down.
func (p *pair) salvage(ctx context.Context, rec *recorder, l *server.Location, choice string) error {
	done, err := l.Salvage(ctx, choice)
	if err != nil {
		return err
	}
	for _, file := range done.Files {
		t, err := readTail(l.Name, file)
		if err != nil {
			return err
		}
		rec.tail(t)
	}
	return nil
}

// readTail reads a ledger of salvage.
func readTail(from, file string) (ledger.Tail, error) {
	t := ledger.Tail{From: from}
	f, err := os.Open(file)
	if err != nil {
		return t, err
	}
	defer f.Close()
	seen := map[uint64]int{}
	for d := json.NewDecoder(bufio.NewReader(f)); ; {
		var r groups.Row
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return t, nil
		} else if err != nil {
			return t, fmt.Errorf("the ledger %s: %w", file, err)
		}
		if r.Kind != "message" && r.Kind != "settlement" || r.What == "released" || r.What == "abandoned" {
			continue
		}
		place, dead := placeOf(r.Entity)
		row := ledger.Row{
			Settlement: r.Kind == "settlement", What: r.What, Place: place, Dead: dead, ID: r.MessageID, Sequence: int64(r.Sequence),
			Lost: r.Verdict == groups.VerdictDropped && r.Why == "" || r.Verdict == "no place", Back: r.Verdict == "reinjected",
		}
		for _, at := range r.Places {
			place, dead := placeOf(at.Entity)
			row.Places = append(row.Places, ledger.Spot{Place: place, Dead: dead, Sequence: int64(at.Sequence)})
		}
		if at, again := seen[r.Number]; again {
			t.Rows[at] = row // of a salvage that was interrupted and called again
			continue
		}
		seen[r.Number] = len(t.Rows)
		t.Rows = append(t.Rows, row)
	}
}

// placeOf is the place of an entity, as the ledger calls it.
func placeOf(entity string) (place string, dead bool) {
	place, dead = strings.CutSuffix(entity, "/$DeadLetterQueue")
	return strings.Replace(place, "/Subscriptions/", "/", 1), dead
}
