package journal_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"weir/kernel/journal"
)

// childEnv names what the test binary does instead of testing, and where.
const childEnv, childDirEnv = "WEIR_JOURNAL_CHILD", "WEIR_JOURNAL_CHILD_DIR"

func TestMain(m *testing.M) {
	children := map[string]func(dir string) error{"append": childAppends, "hold": childHolds, "node": childIsANode, "snapshot": childSnapshots}
	if child := children[os.Getenv(childEnv)]; child != nil {
		if err := child(os.Getenv(childDirEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// startChild starts this test binary as another process working on dir.
func startChild(t testing.TB, what, dir string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+what, childDirEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, out
}

// batchOf is the n-th batch that childAppends appends: mostly short, sometimes of
// several records.
func batchOf(n int) []byte {
	size := 100 + n*n%5000
	if n%50 == 49 {
		size = 2_500_000
	}
	batch := make([]byte, size)
	for i := range batch {
		batch[i] = byte(n + i*i>>7)
	}
	return batch
}

// childAppends goes on with the journal in dir, four appends under way, until it
// is killed, and prints the number of batches in it after each acknowledgement.
func childAppends(dir string) error {
	ctx := context.Background()
	s, err := journal.Open(ctx, journal.Options{Dir: dir})
	if err != nil {
		return err
	}
	j, err := s.Journal(ctx, "unit", 1)
	if err != nil {
		return err
	}
	tail, err := j.Replay(ctx, journal.Tail{}, func(journal.Batch) error { return nil })
	if err != nil {
		return err
	}
	var under []*journal.Pending
	for epoch := tail.Epoch + 1; ; {
		p := j.Append(ctx, tail, epoch, batchOf(int(tail.Batch)))
		tail = p.Next()
		if under = append(under, p); len(under) == 4 {
			if err := under[0].Wait(ctx); err != nil {
				return err
			}
			fmt.Println(under[0].Next().Batch)
			under = under[1:]
		}
	}
}

// childIsANode opens the store that the file "node.json" in dir describes, and
// serves until it is killed.
func childIsANode(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "node.json"))
	if err != nil {
		return err
	}
	o := journal.Options{Dir: dir, Cluster: &journal.ClusterOptions{}}
	if err := json.Unmarshal(text, o.Cluster); err != nil {
		return err
	}
	for node, address := range o.Cluster.Peers {
		if address == o.Cluster.Listen {
			o.Node = node
		}
	}
	if _, err := journal.Open(context.Background(), o); err != nil {
		return err
	}
	fmt.Println("ready")
	select {}
}

// childHolds opens the journal in dir and prints how long that took and how much
// memory the process has at each step.
func childHolds(dir string) error {
	ctx := context.Background()
	begin := time.Now()
	s, err := journal.Open(ctx, journal.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	j, err := s.Journal(ctx, "unit", 1)
	if err != nil {
		return err
	}
	size, err := j.Size(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("open_ms %d\nstored_mib %d\nrss_open_mib %d\n", time.Since(begin).Milliseconds(), size.Bytes>>20, residentMiB())
	begin = time.Now()
	n := 0
	tail, err := j.Replay(ctx, journal.Tail{}, func(b journal.Batch) error { n += len(b.Data); return nil })
	if err != nil {
		return err
	}
	took := time.Since(begin)
	fmt.Printf("replay_mib_per_s %d\nrss_replayed_mib %d\n", int(float64(n>>20)/took.Seconds()), residentMiB())
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Printf("rss_collected_mib %d\nheap_mib %d\n", residentMiB(), m.HeapAlloc>>20)
	batch := make([]byte, 64<<10)
	rand.Read(batch)
	for range 4096 {
		p := j.Append(ctx, tail, 1, batch)
		if err := p.Wait(ctx); err != nil {
			return err
		}
		tail = p.Next()
	}
	fmt.Printf("rss_appended_mib %d\n", residentMiB())
	return nil
}

// childSnapshots saves and loads a snapshot of 400 MiB and prints the time and the
// most memory each took.
func childSnapshots(dir string) error {
	ctx := context.Background()
	s, err := journal.Open(ctx, journal.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	snapshots, err := s.Snapshots(ctx, "unit", 1)
	if err != nil {
		return err
	}
	data := make([]byte, 400<<20)
	rand.Read(data)
	begin := time.Now()
	if err := snapshots.Save(ctx, journal.Tail{Last: 1}, data); err != nil {
		return err
	}
	fmt.Printf("save_ms %d\nrss_saved_mib %d\n", time.Since(begin).Milliseconds(), memoryMiB("VmHWM:"))
	data = nil
	debug.FreeOSMemory()
	begin = time.Now()
	if _, _, err := snapshots.Latest(ctx); err != nil {
		return err
	}
	fmt.Printf("load_ms %d\nrss_loaded_mib %d\n", time.Since(begin).Milliseconds(), residentMiB())
	return nil
}

// residentMiB is the resident memory of this process; 0 where it can not be told.
func residentMiB() int { return memoryMiB("VmRSS:") }

func memoryMiB(line string) (mib int) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), line); ok {
			fmt.Sscanf(strings.TrimSpace(rest), "%d", &mib)
			return mib >> 10
		}
	}
	return 0
}
