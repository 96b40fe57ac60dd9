package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
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
	f, err := d.root.OpenFile(place(who, what), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	d.sweep()
	return err
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

// markedEnd is where an attempt to append writes: the end of the file, or where it began
// before, if nothing but its own content is behind that.
func (d *directory) markedEnd(who connector.Who, at string, size int64, data []byte) (int64, error) {
	what := "append " + at
	if d.marked(who, what) {
		note, err := d.root.ReadFile(place(who, what))
		if err != nil {
			return 0, err
		}
		from, err := strconv.ParseInt(string(note), 10, 64)
		if err == nil && from <= size {
			n := min(size-from, int64(len(data)))
			have := make([]byte, n)
			f, err := d.root.Open(at)
			if err != nil {
				return 0, err
			}
			_, err = f.ReadAt(have, from)
			f.Close()
			if err != nil {
				return 0, err
			}
			if bytes.HasPrefix(data, have) {
				return from, nil
			}
		}
	}
	return size, d.note(who, what, []byte(fmt.Sprint(size)))
}
