package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// lockDir makes dir when it is missing and takes it for this process. The lock
// is held by the returned file and ends when it is closed or the process dies.
// The file tells who has it.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the journal directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "in-use"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of journal directory %s: %w", dir, err)
	}
	free, err := lockFile(f)
	switch {
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("lock journal directory %s: %w", dir, err)
	case !free:
		f.Close()
		return nil, fmt.Errorf("journal directory %s is in use by %s", dir, holder(f.Name()))
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "process %d", os.Getpid()), 0)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("write the lock of journal directory %s: %w", dir, err)
		}
	}
	return f, nil
}

// holder reads what the holder of the lock wrote of itself.
func holder(path string) string {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return "another process"
	}
	return strings.TrimSpace(string(text))
}
