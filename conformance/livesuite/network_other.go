//go:build !linux

package main

import (
	"context"
	"errors"
)

var errLinux = errors.New("the suite needs a private network, which only Linux gives")

func enterPrivateNetwork(context.Context, ...string) error { return errLinux }

func raiseLoopback() error { return errLinux }

func useHosts(string) error { return errLinux }
