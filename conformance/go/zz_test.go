package go_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestZZ(t *testing.T) {
	const n = 8
	dir := "/tmp/tt/zz"
	os.RemoveAll(dir)
	os.MkdirAll(dir, 0o755)
	var res []server.Resource
	for i := range n {
		res = append(res, server.Queue(fmt.Sprintf("q%d", i), server.Properties{"lockDuration": "PT5S", "maxDeliveryCount": 1000}))
	}
	deploy := filepath.Join(dir, "e.json")
	server.WriteEstate(deploy, res)
	c, err := server.NewCluster(server.Options{Binary: servertest.Binary(t), Dir: dir, Deploy: deploy, Args: []string{"--pprof", "--log-level", "debug"}}, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	f, _ := os.Create("/tmp/tt/zz.log")
	var fm sync.Mutex
	logf := func(format string, a ...any) {
		fm.Lock()
		defer fm.Unlock()
		fmt.Fprintf(f, time.Now().Format("15:04:05.000 ")+format+"\n", a...)
	}
	azlog.SetListener(func(e azlog.Event, m string) { logf("%s %s", e, m) })
	imp := azservicebus.RetryOptions{MaxRetries: 400, RetryDelay: 20 * time.Millisecond, MaxRetryDelay: 300 * time.Millisecond}
	got := make(chan [2]int, 100000)
	for i := range n {
		cl, _ := azservicebus.NewClientFromConnectionString(c.Emulator(), &azservicebus.ClientOptions{RetryOptions: imp})
		r, _ := cl.NewReceiverForQueue(fmt.Sprintf("q%d", i), nil)
		go func() {
			for {
				x, cancel := context.WithTimeout(ctx, 3*time.Second)
				ms, err := r.ReceiveMessages(x, 20, nil)
				cancel()
				logf("RECV q%d %d %v", i, len(ms), err)
				for _, m := range ms {
					var k int
					fmt.Sscan(string(m.Body), &k)
					got <- [2]int{i, k}
					go func() { x, c := context.WithTimeout(ctx, 10*time.Second); defer c(); r.CompleteMessage(x, m, nil) }()
				}
				if err != nil {
					time.Sleep(50 * time.Millisecond)
				}
			}
		}()
	}
	snd, _ := azservicebus.NewClientFromConnectionString(c.Emulator(), &azservicebus.ClientOptions{RetryOptions: imp})
	var ss []*azservicebus.Sender
	for i := range n {
		s, _ := snd.NewSender(fmt.Sprintf("q%d", i), nil)
		ss = append(ss, s)
	}
	k := 0
	round := func() {
		k++
		t0 := time.Now()
		for i := range n {
			if err := ss[i].SendMessage(ctx, &azservicebus.Message{Body: []byte(fmt.Sprint(k))}, nil); err != nil {
				fmt.Println("send", err)
			}
		}
		ts := time.Since(t0)
		need := map[int]bool{}
		for i := range n {
			need[i] = true
		}
		to := time.After(150 * time.Second)
		warned := time.After(15 * time.Second)
		for len(need) > 0 {
			select {
			case g := <-got:
				if g[1] == k {
					delete(need, g[0])
				}
			case <-warned:
				fmt.Println("STALL", time.Now().Format("15:04:05.000"), "missing", need)
				logf("STALL missing %v", need)
				for _, s := range c.Nodes {
					_, b, err := s.Get(ctx, "/debug/pprof/goroutine?debug=2")
					if err == nil {
						os.WriteFile(fmt.Sprintf("/tmp/tt/zz-gor-%s-%d.txt", s.Name(), k), b, 0o644)
					}
				}
			case <-to:
				fmt.Println("GIVE UP", need)
				return
			}
		}
		fmt.Println(k, time.Now().Format("15:04:05.000"), "sent in", ts, "all in", time.Since(t0))
	}
	round()
	for range 14 {
		v, err := c.Owner(ctx)
		if err != nil {
			t.Fatal(err)
		}
		logf("KILL %s", v.Name())
		v.Kill()
		if k%2 == 0 {
			round()
		}
		v.Launch()
		for _, s := range c.Nodes {
			if err := s.WaitReady(ctx); err != nil {
				fmt.Println(err)
			}
		}
		logf("READY")
		round()
	}
}
