package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"weir/service/workflow/connector"
)

const (
	// marks is the folder of marks in a root.
	marks = temporary + "done"
	// markAge is how long a mark is kept: an attempt is made again at once after a crash.
	markAge  = 24 * time.Hour
	marksMax = 2000 // then old ones are looked for
)

// place is the file of an attempt's mark.
func place(who connector.Who, what string) string {
	sum := sha256.Sum256([]byte(who.Key + "\x00" + strconv.Itoa(int(who.Attempt)) + "\x00" + what))
	return path.Join(marks, hex.EncodeToString(sum[:16]))
}

// marked tells whether this very attempt was about to do something before.
func (d *directory) marked(who connector.Who, what string) bool {
	if who.Key == "" {
		return false
	}
	_, err := d.root.Lstat(place(who, what))
	return err == nil
}

// mark says what an attempt is about to do.
func (d *directory) mark(who connector.Who, what string) error {
	return d.note(who, what, nil)
}

func (d *directory) note(who connector.Who, what string, data []byte) error {
	if who.Key == "" {
		return nil
	}
	if err := d.root.Mkdir(marks, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	defer d.sweep()
	return d.put(place(who, what), bytes.NewReader(data), true) // whole or not at all
}

// sweep removes old marks when there are many.
func (d *directory) sweep() {
	f, err := d.root.Open(marks)
	if err != nil {
		return
	}
	defer f.Close()
	all, err := f.ReadDir(-1)
	if err != nil || len(all) < marksMax {
		return
	}
	for _, e := range all {
		if info, err := e.Info(); err == nil && d.now().Sub(info.ModTime()) > markAge {
			_ = d.root.Remove(path.Join(marks, e.Name()))
		}
	}
}

// ending is what a mark says of an attempt to append.
type ending struct {
	From int64  `json:"from"`
	Done bool   `json:"done"`
	At   string `json:"at"`
}

func (d *directory) ending(name string) (e ending, ok bool) {
	data, err := d.root.ReadFile(name)
	return e, err == nil && json.Unmarshal(data, &e) == nil
}

// markedEnd is where an attempt to append writes: the end of the file, or where it was
// about to before. Done says that it did.
func (d *directory) markedEnd(who connector.Who, at string, size int64, data []byte) (from int64, done bool, err error) {
	what := "append " + at
	if d.marked(who, what) {
		e, ok := d.ending(place(who, what))
		if ok && e.Done {
			return e.From, true, nil
		}
		if ok && e.From <= size {
			if mine, err := d.holds(at, e.From, min(size-e.From, int64(len(data))), data); err != nil {
				return 0, false, err
			} else if mine && !d.claimed(at, e.From, path.Base(place(who, what))) {
				return e.From, false, nil
			}
		}
	}
	return size, false, d.noteEnd(who, at, size, false)
}

func (d *directory) noteEnd(who connector.Who, at string, from int64, done bool) error {
	note, err := json.Marshal(ending{from, done, at})
	if err != nil {
		return err
	}
	return d.note(who, "append "+at, note)
}

// holds tells whether what is at a place of a file is how data begins.
func (d *directory) holds(at string, from, n int64, data []byte) (bool, error) {
	f, err := d.root.Open(at)
	if err != nil {
		return false, err
	}
	defer f.Close()
	have := make([]byte, n)
	if _, err := f.ReadAt(have, from); err != nil && n > 0 {
		return false, err
	}
	return bytes.HasPrefix(data, have), nil
}

// claimed tells whether another attempt has appended at a place: then the same content
// there is that one's.
func (d *directory) claimed(at string, from int64, own string) bool {
	f, err := d.root.Open(marks)
	if err != nil {
		return false
	}
	defer f.Close()
	all, _ := f.ReadDir(-1)
	for _, other := range all {
		if strings.HasPrefix(other.Name(), temporary) {
			continue // a crash kept it from being a mark
		}
		if e, ok := d.ending(path.Join(marks, other.Name())); ok && other.Name() != own && e.Done && e.At == at && e.From == from {
			return true
		}
	}
	return false
}
