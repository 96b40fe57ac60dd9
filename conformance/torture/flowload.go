package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"weir/conformance/server"
	"weir/conformance/standin"
	"weir/conformance/torture/ledger"
)

// flowLoad is workflows at work: who asks for runs, and the world they call.
type flowLoad struct {
	rec    *recorder
	world  *standin.Service
	at     string // of the world
	lines  []net.Listener
	stage  stage
	say    func(string, ...any)
	pace   time.Duration // between two requests for runs of one workflow
	client *http.Client
	urls   map[string]string

	work    sync.WaitGroup
	calling sync.WaitGroup
	stop    context.CancelFunc
	closing sync.Once

	folder string // where files are put to be taken

	mu      sync.Mutex
	asked   []ledger.Asked
	offered int      // items of the source
	files   []string // that were put there
}

// Faults of the world, of a thousand calls, and how late it is at most.
const (
	worldFails = 8
	worldDrops = 8
	worldSlow  = 60
	worldLate  = 400 * time.Millisecond
)

// newFlowLoad raises the world around workflows; listeners are where it is reached.
func newFlowLoad(rec *recorder, o Options, at string, lines []net.Listener) (*flowLoad, error) {
	folder, err := filepath.Abs(filepath.Join(o.Dir, "folder"))
	if err != nil {
		return nil, err
	}
	f := &flowLoad{
		rec: rec, folder: folder, at: "http://" + at, lines: lines, say: o.Say, urls: map[string]string{},
		pace:   time.Second / time.Duration(max(o.FlowRate, 1)),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: callTime},
	}
	f.world = standin.New(standin.Options{
		Now: rec.now, Seed: o.Seed, Failing: worldFails, Dropping: worldDrops, Slow: worldSlow, SlowMost: worldLate, Call: f.callBack,
	})
	f.world.Serve(lines...)
	return f, os.MkdirAll(filepath.Join(f.folder, "in"), 0o755)
}

// soleFlows raises the world around the workflows of one location; nil: there are none.
func soleFlows(rec *recorder, o Options) (*flowLoad, error) {
	if !o.Workflows {
		return nil, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return newFlowLoad(rec, o, l.Addr().String(), []net.Listener{l})
}

// callBack calls a callback at the door that clients use: a name would lead there.
func (f *flowLoad) callBack(to string, body []byte) (int, string, error) {
	u, err := url.Parse(to)
	if err != nil {
		return http.StatusBadRequest, err.Error(), nil
	}
	ctx, cancel := during(callTime)
	defer cancel()
	status, answer, err := server.Post(ctx, f.client, f.stage.door(), u.RequestURI(), "", body)
	return status, string(answer), err
}

// learn finds out where runs are asked for. Before, each location that was not given all
// at its start is given what it has for itself.
func (f *flowLoad) learn(ctx context.Context, at stage) error {
	f.stage = at
	if p, two := at.(*pair); two {
		text, err := json.Marshal(flowConnections(f.folder))
		if err != nil {
			return err
		}
		code, body, err := p.East.Nodes[0].Ask(ctx, http.MethodPost, "/deploy", text)
		if err != nil || code >= http.StatusMultipleChoices {
			return fmt.Errorf("declare connections in %s: %d %s: %w", p.East.Name, code, body, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, recoverWithin)
	defer cancel()
	for _, name := range askedFlows {
		err := f.anywhere(ctx, func(s *server.Server) (err error) {
			f.urls[name], err = s.Callback(ctx, name, triggerName)
			return err
		})
		if err != nil {
			return fmt.Errorf("where runs of %s are asked for: %w", name, err)
		}
	}
	return nil
}

// anywhere asks node after node until one answers, or the time is up.
func (f *flowLoad) anywhere(ctx context.Context, ask func(*server.Server) error) error {
	for {
		var errs []error
		for _, s := range f.stage.servers() {
			if !s.Running() {
				continue
			}
			err := ask(s)
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
		if wait(ctx, 100*time.Millisecond) != nil {
			return errors.Join(errs...)
		}
	}
}

// flowLanes is how many requests for runs of one workflow are in the air at once.
const flowLanes = 8

// start puts everybody to work.
func (f *flowLoad) start(ctx context.Context) {
	ctx, f.stop = context.WithCancel(ctx)
	for _, name := range askedFlows {
		turns := make(chan int)
		f.work.Go(func() { f.turns(ctx, turns) })
		for range flowLanes {
			f.calling.Go(func() {
				for n := range turns {
					f.ask(name, fmt.Sprintf("%s-%d", name, n))
				}
			})
		}
	}
	f.work.Go(func() { f.every(ctx, f.offer) })
	f.work.Go(func() { f.every(ctx, f.put) })
}

// every does something at the pace until ctx ends.
func (f *flowLoad) every(ctx context.Context, do func()) {
	tick := time.NewTicker(f.pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}

// offer has the source have one more item.
func (f *flowLoad) offer() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offered++
	f.world.Offer(flowPolled, f.offered)
}

// put puts one more file into the folder, whole.
func (f *flowLoad) put() {
	f.mu.Lock()
	name := fmt.Sprintf("file-%d", len(f.files)+1)
	f.mu.Unlock()
	there := filepath.Join(f.folder, "in", name)
	err := os.WriteFile(filepath.Join(f.folder, name), []byte(name), 0o644)
	if err == nil {
		err = os.Rename(filepath.Join(f.folder, name), there)
	}
	f.rec.failed("put a file", err)
	if err == nil {
		f.mu.Lock()
		f.files = append(f.files, name)
		f.mu.Unlock()
	}
}

// turns counts at a pace until ctx ends; who is behind, misses turns.
func (f *flowLoad) turns(ctx context.Context, turns chan<- int) {
	defer close(turns)
	tick := time.NewTicker(f.pace)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case <-ctx.Done():
			return
		case turns <- n:
		}
	}
}

// ask asks for one run.
func (f *flowLoad) ask(name, token string) {
	a := ledger.Asked{Workflow: name, Token: token, Start: f.rec.now()}
	ctx, cancel := during(callTime)
	defer cancel()
	status, body, err := server.Post(ctx, f.client, f.stage.door(), f.urls[name], token, fmt.Appendf(nil, `{"token":%q}`, token))
	switch {
	case err != nil:
	case status < 300:
		a.Outcome = ledger.Confirmed
		f.rec.runs.Add(1)
	case status < 500:
		a.Outcome = ledger.Refused
		err = fmt.Errorf("%d %.200s", status, body)
	default:
		err = fmt.Errorf("%d %.200s", status, body)
	}
	a.End = f.rec.now()
	f.rec.failed("ask for a run", plainly(err))
	f.mu.Lock()
	f.asked = append(f.asked, a)
	f.mu.Unlock()
	if err != nil {
		time.Sleep(20 * time.Millisecond) // as anybody does who is refused
	}
}

// plainly is an error of a call without addresses: those of the line change with every
// connection, and that of the workflow is signed.
func plainly(err error) error {
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err
	}
	if failed := (*net.OpError)(nil); errors.As(err, &failed) {
		return fmt.Errorf("%s: %w", failed.Op, failed.Err)
	}
	return err
}

// stopAsking lets every request that is under way end.
func (f *flowLoad) stopAsking() {
	f.stop()
	f.work.Wait()
	f.calling.Wait()
}

// close ends the world; nil has none.
func (f *flowLoad) close() {
	if f == nil {
		return
	}
	f.closing.Do(func() {
		if f.stop != nil {
			f.stopAsking()
		}
		f.world.Stop()
		for _, l := range f.lines {
			l.Close()
		}
	})
}
