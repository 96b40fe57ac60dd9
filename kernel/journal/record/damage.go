package record

import "fmt"

// Finding says in which way a journal is not what was written. The names are
// stable: they appear in logs and in answers.
type Finding string

const (
	// BadHeader: the bytes do not begin like a record of ours.
	BadHeader Finding = "bad-header"
	// NewerFormat: a record written by a newer version of this program.
	NewerFormat Finding = "newer-format"
	// BadSum: header or body were changed after they were written.
	BadSum Finding = "bad-checksum"
	// Gap: a position that must hold a record holds none.
	Gap Finding = "gap"
	// Misplaced: a sound record at a position that is not its own.
	Misplaced Finding = "misplaced"
	// Fork: a sound record that continues another history.
	Fork Finding = "fork"
	// Torn: the parts of a batch do not follow each other.
	Torn Finding = "torn-batch"
	// Lost: the journal ends before a record that is known to have been in it.
	Lost Finding = "lost-tail"
)

// Damage is the error of a reader that met something it must not fold.
type Damage struct {
	// Stream names the log, when the one who found the damage knew it.
	Stream string
	// At is the position where it was found.
	At Position
	// Finding says what is wrong.
	Finding Finding
	// Detail tells the finding in words, with the numbers that disagree.
	Detail string
}

// Error names the stream, the position and what is wrong with it.
func (d *Damage) Error() string {
	return fmt.Sprintf("journal %s is damaged at position %d: %s: %s", d.Stream, d.At, d.Finding, d.Detail)
}

func damaged(at Position, f Finding, format string, args ...any) *Damage {
	return &Damage{At: at, Finding: f, Detail: fmt.Sprintf(format, args...)}
}
