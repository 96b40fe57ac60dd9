package ballot

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/cespare/xxhash/v2"
)

// Files is a storage in a directory that no other process uses: one file for each
// group, replaced as a whole and synced.
type Files struct {
	dir string
	mu  sync.Mutex
}

// OpenFiles opens a storage and makes its directory.
func OpenFiles(dir string) (*Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of ballots: %w", err)
	}
	return &Files{dir: dir}, nil
}

// headBytes is what lies before the document: its checksum and its version.
const headBytes = 16

// name is the file of a group.
func (f *Files) name(group string) string {
	return filepath.Join(f.dir, hex.EncodeToString([]byte(group))+".ballot")
}

// Load implements Storage. A file that was changed by anybody else is an error: a
// voter must not forget what it granted.
func (f *Files) Load(_ context.Context, group string) ([]byte, uint64, error) {
	data, err := os.ReadFile(f.name(group))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if len(data) < headBytes || binary.LittleEndian.Uint64(data) != xxhash.Sum64(data[8:]) {
		return nil, 0, fmt.Errorf("%s is damaged; move it away only when no location holds %s", f.name(group), group)
	}
	return data[headBytes:], binary.LittleEndian.Uint64(data[8:]), nil
}

// Save implements Storage.
func (f *Files) Save(ctx context.Context, group string, data []byte, version uint64) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, now, err := f.Load(ctx, group)
	if err != nil {
		return 0, err
	}
	if now != version {
		return 0, ErrChanged
	}
	file := make([]byte, headBytes, headBytes+len(data))
	binary.LittleEndian.PutUint64(file[8:], version+1)
	file = append(file, data...)
	binary.LittleEndian.PutUint64(file, xxhash.Sum64(file[8:]))
	return version + 1, f.replace(f.name(group), file)
}

// replace writes a file beside the old one, syncs it, and puts it in its place.
func (f *Files) replace(name string, data []byte) error {
	beside, err := os.OpenFile(name+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = beside.Write(data)
	if err == nil {
		err = beside.Sync()
	}
	if err = errors.Join(err, beside.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	dir, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
