//go:build !linux

package server

import "errors"

var errNoDisks = errors.New("only Linux has tmpfs")

func mountDisk(string, int64) error       { return errNoDisks }
func unmountDisk(string) error            { return errNoDisks }
func freeOn(string) (int64, error)        { return 0, errNoDisks }
func grow(path string, bytes int64) error { return errNoDisks }
