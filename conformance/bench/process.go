package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"weir/conformance/server"
)

// tick is the unit of the times in /proc/PID/stat; the kernel has shown
// hundredths of a second on every system for as long as Go has run there.
const tick = 10 * time.Millisecond

// cpuTime is the processor time that a process has used, in itself and in the
// kernel.
func cpuTime(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("processor time of the server (needs Linux): %w", err)
	}
	// The second field is the command in parentheses and may hold spaces.
	_, rest, _ := bytes.Cut(data, []byte(") "))
	fields := strings.Fields(string(rest))
	const user, system = 11, 12 // fields 14 and 15 of proc(5)
	if len(fields) <= system {
		return 0, fmt.Errorf("/proc/%d/stat: unknown form", pid)
	}
	u, err := strconv.ParseInt(fields[user], 10, 64)
	if err != nil {
		return 0, err
	}
	k, err := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+k) * tick, err
}

// resident is the resident memory of a process in bytes.
func resident(pid int) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("memory of the server (needs Linux): %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmRSS", pid)
}

// live is how many bytes of the server's heap are in use after a collection. The server
// must offer profiles.
func live(ctx context.Context, s *server.Server) (int64, error) {
	code, body, err := s.Get(ctx, "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, "# HeapAlloc = "); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("the server's heap profile (%d) does not say how much is in use: %.200s", code, body)
}

// appendsMetric counts the batches that the server has appended to its journals.
const appendsMetric = "weir_journal_batches_total"

// appends reads that counter, summed over all journals; it is not there before
// the first append.
func appends(ctx context.Context, s *server.Server) (sum float64, err error) {
	_, body, err := s.Get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, appendsMetric) {
			continue
		}
		fields := strings.Fields(line)
		v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}
