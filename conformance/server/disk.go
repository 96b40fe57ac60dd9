package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Disk is a small disk of its own below one data directory, that can be filled.
type Disk struct {
	dir string
}

// Disks says why this process can not make disks of its own; nil: it can.
func Disks() error {
	dir, err := os.MkdirTemp("", "weir-disk-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d, err := newDisk(dir, 1<<20)
	if err != nil {
		return fmt.Errorf("a disk that can be filled is a mount of its own (tmpfs), which takes root on Linux: run as root, or in a container with the capability SYS_ADMIN (%w)", err)
	}
	return d.remove()
}

// newDisk puts a disk of some bytes below a directory, which it makes.
func newDisk(dir string, bytes int64) (*Disk, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return &Disk{dir}, mountDisk(dir, bytes)
}

func (d *Disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// Fill leaves so many bytes free and no more; what is written later may take them.
func (d *Disk) Fill(leave int64) error {
	if d == nil {
		return errors.New("this directory has no disk of its own")
	}
	var err error
	for range fillTriesMax {
		var free int64
		if free, err = freeOn(d.dir); err != nil || free <= leave {
			return err
		}
		if err = grow(d.ballast(), free-leave); err == nil {
			return nil // else somebody else wrote meanwhile
		}
	}
	return err
}

// fillTriesMax bounds how often the last of the room is fought for.
const fillTriesMax = 100

// Empty gives the room back.
func (d *Disk) Empty() error {
	if err := os.Remove(d.ballast()); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// keep copies what is on the disk to where it stays.
func (d *Disk) keep() error {
	if d == nil {
		return nil
	}
	_ = d.Empty() // it would only be copied
	return os.CopyFS(d.dir+"-kept", os.DirFS(d.dir))
}

func (d *Disk) remove() error {
	if d == nil {
		return nil
	}
	return unmountDisk(d.dir)
}
