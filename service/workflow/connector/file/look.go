package file

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// cursor is what a trigger has seen.
type cursor struct {
	V      int    `json:"v"`
	Folder string `json:"folder"`
	Seen   string `json:"seen"` // marks of files, 16 bytes each
}

// seen is the mark of a file: its name, what it looked like, and which of its name it was.
type seen struct {
	name         uint64
	look, origin uint32
}

// found is a file of the folder that is watched.
type found struct {
	at   string
	info fs.FileInfo
	mark seen
}

// Look looks for files once.
func (c *Connector) Look(ctx context.Context, w *connector.Watch) connector.Found {
	op, given, conn, err := c.read(ctx, w.Inputs, w.Who)
	if err == nil && !op.trigger {
		err = fail(400, "The operation %q of %s is an action, not a trigger.", op.name, Provider)
	}
	if err == nil {
		err = check(op, given)
	}
	if err != nil {
		return refused(err, w.Cursor)
	}
	return c.look(conn, given, op.modified, w, func(all []any) *object { return expression.NewObject("body", all) })
}

func refused(err error, before []byte) connector.Found {
	a := answer(err)
	return connector.Found{Status: a.Status, Code: a.Code, Message: a.Message, Retryable: a.Retryable, Cursor: before}
}

func (c *Connector) look(conn *connection.Connection, given *object, modified bool, w *connector.Watch, shape func([]any) *object) connector.Found {
	d, err := c.open(conn)
	if err != nil {
		return refused(err, w.Cursor)
	}
	defer d.root.Close()
	at, err := local(text(given, "folderPath"))
	if err != nil {
		return refused(err, w.Cursor)
	}
	most := countDefault
	if s := text(given, "maxFileCount"); s != "" {
		if most, err = strconv.Atoi(s); err != nil || most < 1 || most > countMax {
			return refused(fail(400, "The maxFileCount is %q: it is a number from 1 to %d.", s, countMax), w.Cursor)
		}
	}
	cut, err := cutOff(text(given, "oldFileCutOffTimestamp"))
	if err != nil {
		return refused(err, w.Cursor)
	}
	files, wait, err := d.ready(at)
	if err != nil {
		return refused(err, w.Cursor)
	}
	before := readCursor(w.Cursor, at)
	var next []seen
	var fresh []found
	for _, f := range files {
		old, known := before[f.mark.name]
		switch {
		case f.info == nil: // it is being written to: what was seen of it stays
			if known {
				next = append(next, old)
			}
			continue
		case known && !f.mark.new(old, modified), f.info.ModTime().Before(cut):
			next = append(next, f.mark)
			continue
		}
		fresh = append(fresh, f)
	}
	slices.SortFunc(fresh, func(a, b found) int {
		return cmp.Or(a.info.ModTime().Compare(b.info.ModTime()), cmp.Compare(a.at, b.at))
	})
	f := connector.Found{Status: 200, After: wait, More: len(fresh) > most}
	var all []any
	for i, file := range fresh {
		if i < most {
			all = append(all, describe(file.at, file.info))
			next = append(next, file.mark)
		} else if old, known := before[file.mark.name]; known {
			next = append(next, old)
		}
	}
	if len(all) > 0 {
		f.Items = []connector.Item{{Outputs: shape(all)}}
	}
	f.Cursor = writeCursor(at, next)
	return f
}

// new tells whether a file is another than the one that was seen under its name. An origin
// that differs is not enough, since another node may see the same files by other numbers.
func (s seen) new(old seen, modified bool) bool {
	return s.look != old.look && (modified || s.origin != 0 && old.origin != 0 && s.origin != old.origin)
}

// ready lists a folder's files with their marks. Those that were written to within the
// settle time have no info; wait is when the first of them may be ready.
func (d *directory) ready(at string) (files []found, wait time.Duration, err error) {
	entries, err := d.entries(at)
	if err != nil {
		return nil, 0, err
	}
	dir, err := d.root.Open(at)
	if err != nil {
		return nil, 0, err
	}
	defer dir.Close()
	now := d.now()
	for _, e := range entries {
		in := path.Join(at, e.Name())
		info, err := d.root.Lstat(in)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if len(files) == filesMax {
			return nil, 0, fail(413, "The folder %q has more than %d files, which cannot be watched: let the workflow move or remove files it has done with.", at, filesMax)
		}
		f := found{at: in, info: info, mark: seen{name: xxhash.Sum64String(e.Name()), look: look(info)}}
		if id, ok := birth(dir.Fd(), e.Name()); ok {
			f.mark.origin = uint32(xxhash.Sum64(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, id[0]), id[1]))) | 1
		}
		age := now.Sub(touchedAt(info))
		if age < d.settle && age > -time.Minute {
			f.info = nil
			if left := d.settle - max(age, 0); wait == 0 || left < wait {
				wait = left
			}
		}
		files = append(files, f)
	}
	return files, wait, nil
}

// look is what a file looks like: it changes when the file is written to.
func look(info fs.FileInfo) uint32 {
	b := binary.LittleEndian.AppendUint64(nil, uint64(info.ModTime().UnixNano()))
	return uint32(xxhash.Sum64(binary.LittleEndian.AppendUint64(b, uint64(info.Size()))))
}

func cutOff(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fail(400, "The oldFileCutOffTimestamp %q is no time: write it as 2026-01-31T12:00:00.", s)
}

func writeCursor(folder string, all []seen) []byte {
	slices.SortFunc(all, func(a, b seen) int { return cmp.Compare(a.name, b.name) })
	var b []byte
	for _, s := range all {
		b = binary.LittleEndian.AppendUint64(b, s.name)
		b = binary.LittleEndian.AppendUint32(b, s.look)
		b = binary.LittleEndian.AppendUint32(b, s.origin)
	}
	out, _ := json.Marshal(cursor{1, folder, base64.StdEncoding.EncodeToString(b)})
	return out
}

// readCursor gives what was seen in a folder, by name; of another folder nothing was.
func readCursor(b []byte, folder string) map[uint64]seen {
	var c cursor
	all := map[uint64]seen{}
	if json.Unmarshal(b, &c) != nil || c.V != 1 || c.Folder != folder {
		return all
	}
	raw, _ := base64.StdEncoding.DecodeString(c.Seen)
	for ; len(raw) >= 16; raw = raw[16:] {
		s := seen{binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint32(raw[8:]), binary.LittleEndian.Uint32(raw[12:])}
		all[s.name] = s
	}
	return all
}
