package script

import "syscall"

// rlimitData is RLIMIT_DATA, which package syscall does not name everywhere.
const rlimitData = 2

// confine has the kernel refuse memory far beyond what the worker may have: what one
// built-in function takes between two looks at the heap.
func confine(most int64) {
	limit := uint64(2*most + 256<<20)
	_ = syscall.Setrlimit(rlimitData, &syscall.Rlimit{Cur: limit, Max: limit})
}
