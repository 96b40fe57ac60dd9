package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is what Linux needs: the namespace has no name, so that nothing of it is
// left when its processes and this one are gone, and its only way out is a device whose
// packets come to us.
type namespace struct {
	self *os.File // the namespace
	tun  *os.File // its line
}

// newNet makes a namespace with an address, of a /24, on a line to us.
func newNet(name, addr string) (*Net, error) {
	n := &Net{name: name, addr: addr}
	n.http = &http.Client{Transport: &http.Transport{DialContext: n.dialInside, MaxIdleConnsPerHost: 4}}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread is spoilt, and ends with the goroutine
		made <- n.build()
	}()
	if err := <-made; err != nil {
		_ = n.close()
		return nil, fmt.Errorf("make the network namespace of %s: %w", name, err)
	}
	return n, nil
}

// build runs on a thread of its own.
func (n *Net) build() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("it takes root on Linux: %w", err)
	}
	var err error
	if n.self, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	ask, err := unix.NewIfreq("line")
	if err == nil {
		ask.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ask)
	}
	n.tun = os.NewFile(uintptr(fd), "line of "+n.name)
	if err != nil {
		return fmt.Errorf("make a line: %w", err)
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"addr", "add", n.addr + "/24", "dev", "line"},
		{"link", "set", "line", "mtu", fmt.Sprint(lineBytesMax), "up"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v (of iproute2): %w: %s", args, err, out)
		}
	}
	return nil
}

// enter puts the calling thread into the namespace; it can not come back.
func (n *Net) enter() error {
	if n == nil {
		return nil
	}
	return unix.Setns(int(n.self.Fd()), unix.CLONE_NEWNET)
}

func (n *Net) dialInside(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = n.inside(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

func (n *Net) listenInside(addr string) (l net.Listener, err error) {
	err = n.inside(func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	return l, err
}

// inside does something on a thread in the namespace.
func (n *Net) inside(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good, as above
		err := n.enter()
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

// receive takes the next packet that leaves the namespace.
func (n *Net) receive(into []byte) (int, error) { return n.tun.Read(into) }

// send has a packet arrive in the namespace. One that it has no room for is lost.
func (n *Net) send(packet []byte) error {
	_, err := n.tun.Write(packet)
	return err
}

func (n *Net) close() error {
	var errs []error
	for _, f := range []*os.File{n.tun, n.self} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	n.http.CloseIdleConnections()
	return errors.Join(errs...)
}
