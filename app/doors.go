package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"weir/internal/hop"
	"weir/internal/sniff"
)

// doorOff closes a door that has a default.
const doorOff = "off"

// amqpPrefix is what every AMQP connection begins with.
const amqpPrefix = "AMQP"

// door is a named address and the sockets it stands for.
type door struct {
	name    string // as the flag
	sockets []*sniff.Door
}

// Addr is the first address of the door, the IPv4 one of localhost.
func (d door) Addr() string { return d.sockets[0].Addr().String() }

// doors are all doors of a node.
type doors struct {
	list []door
	wait sync.WaitGroup
}

// openDoors binds every door; none stays open when one cannot be bound.
func openDoors(o Options, sniffing sniff.Options) (*doors, error) {
	all := &doors{}
	for _, one := range []struct {
		name, address string
		external      bool
	}{
		{"amqp", o.AMQP, false}, {"amqps", o.AMQPS, false}, {"http", o.HTTP, false}, {"https", o.HTTPS, false}, {"admin", o.Admin, false},
		{"external-amqps", o.ExternalAMQPS, true}, {"external-https", o.ExternalHTTPS, true},
	} {
		sniffing := sniffing
		sniffing.External = one.external
		if one.address == doorOff {
			continue
		}
		sockets, err := listen(one.address)
		if err != nil {
			all.close()
			return nil, bindError(one.name, one.address, err)
		}
		d := door{name: one.name}
		for _, socket := range sockets {
			d.sockets = append(d.sockets, sniff.New(socket, sniffing))
		}
		all.list = append(all.list, d)
	}
	if len(all.list) == 0 {
		return nil, errors.New("every door is off: open at least one, as --http localhost:8080")
	}
	return all, nil
}

// listen binds an address. localhost is both loopback addresses; the second is
// left out where there is no IPv6 or its port is taken.
func listen(address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(host, "localhost") {
		socket, err := net.Listen("tcp", address)
		return []net.Listener{socket}, err
	}
	four, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, err
	}
	chosen := strconv.Itoa(four.Addr().(*net.TCPAddr).Port)
	six, err := net.Listen("tcp", net.JoinHostPort("::1", chosen))
	if err != nil {
		return []net.Listener{four}, nil
	}
	return []net.Listener{four, six}, nil
}

// bindError names the flag to change.
func bindError(name, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("the %s door cannot listen on %s: another program does. Choose another address with --%s HOST:PORT, or close this door with --%s off", name, address, name, name)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("the %s door may not listen on %s: ports below 1024 need a privilege. Choose another address with --%s HOST:PORT", name, address, name)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("the %s door cannot listen on %s: that address is not of this machine. Choose another with --%s HOST:PORT", name, address, name)
	}
	return fmt.Errorf("the %s door cannot listen on %s (%v). Write its address as --%s HOST:PORT", name, address, err, name)
}

// takers are who gets the connections of the doors.
type takers struct {
	amqp func(*sniff.Conn)
	hop  func(*sniff.Conn)
	http func(net.Listener) error // runs until the listener ends
}

// serve starts to accept on every door.
func (d *doors) serve(t takers, log *slog.Logger) {
	for _, one := range d.list {
		for _, socket := range one.sockets {
			amqp, passed, rest := socket.Match(amqpPrefix), socket.Match(hop.Prefix), socket.Rest()
			d.wait.Go(func() { accept(amqp, t.amqp) })
			d.wait.Go(func() { accept(passed, t.hop) })
			d.wait.Go(func() {
				if err := t.http(rest); err != nil && !errors.Is(err, net.ErrClosed) {
					log.Error("the HTTP side of a door ended", "door", one.name, "error", err)
				}
			})
			d.wait.Go(func() {
				if err := socket.Serve(); err != nil {
					log.Error("a door ended", "door", one.name, "error", err)
				}
			})
		}
	}
}

// accept gives each connection a goroutine of its own, until the listener ends.
func accept(ln net.Listener, take func(*sniff.Conn)) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go take(conn.(*sniff.Conn))
	}
}

// close stops accepting. Connections that were handed out live on.
func (d *doors) close() error {
	var errs []error
	for _, one := range d.list {
		for _, socket := range one.sockets {
			errs = append(errs, socket.Close())
		}
	}
	d.wait.Wait()
	return errors.Join(errs...)
}

// addrs gives the first address of each door by name.
func (d *doors) addrs() map[string]string {
	all := map[string]string{}
	for _, one := range d.list {
		all[one.name] = one.Addr()
	}
	return all
}

// foreign names the doors that others than this machine can reach.
func (d *doors) foreign() []string {
	var names []string
	for _, one := range d.list {
		for _, socket := range one.sockets {
			if !hop.Loopback(socket.Addr()) {
				names = append(names, fmt.Sprintf("--%s %s", one.name, socket.Addr()))
			}
		}
	}
	return names
}
