package script

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// rlimitData is RLIMIT_DATA, which package syscall does not name everywhere.
const rlimitData = 2

// confine has the kernel refuse memory far beyond what the worker may have: what one
// built-in function takes between two looks at the heap. What the process has to begin
// with does not count.
func confine(most int64) {
	limit := dataBytes() + uint64(2*most+256<<20)
	_ = syscall.Setrlimit(rlimitData, &syscall.Rlimit{Cur: limit, Max: limit})
}

// dataBytes is how much of what that limit counts the process has.
func dataBytes() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		var kilobytes uint64
		if n, _ := fmt.Sscanf(lines.Text(), "VmData: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10
		}
	}
	return 0
}
