package journal

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// ordinary are the beginnings of warnings and errors that belong to the ordinary
// start of a cluster, whose nodes do not begin at the same moment: debug to us.
var ordinary = []string{
	"Plaintext passwords detected",
	"Error trying to connect to route (attempt 1)",
	"Waiting for routing to be established",
	"JetStream has not established contact with a meta leader",
	"Metalayer blocking snapshot",
}

// serverLog hands the embedded server's log lines to slog. What the server calls
// a notice is its own bookkeeping, debug to us; its warnings and errors keep their
// level. Its debug and trace lines are not asked for.
type serverLog struct {
	log     *slog.Logger
	trouble func(line string) // is told every error
}

var _ server.Logger = serverLog{}

func (l serverLog) line(level slog.Level, format string, v []any) {
	ctx := context.Background()
	if !l.log.Enabled(ctx, level) {
		return
	}
	text := fmt.Sprintf(format, v...)
	if slices.ContainsFunc(ordinary, func(begin string) bool { return strings.HasPrefix(text, begin) }) {
		level = slog.LevelDebug
	}
	l.log.Log(ctx, level, text, "part", "nats-server")
}

// Noticef logs at debug level.
func (l serverLog) Noticef(format string, v ...any) { l.line(slog.LevelDebug, format, v) }

// Warnf logs at warning level.
func (l serverLog) Warnf(format string, v ...any) { l.line(slog.LevelWarn, format, v) }

// Errorf logs at error level.
func (l serverLog) Errorf(format string, v ...any) {
	l.trouble(fmt.Sprintf(format, v...))
	l.line(slog.LevelError, format, v)
}

// Fatalf logs at error level. The server's own logger would end the process here;
// ending it is not ours to decide.
func (l serverLog) Fatalf(format string, v ...any) { l.line(slog.LevelError, format, v) }

// Debugf logs nothing: the server is not started with debug lines.
func (l serverLog) Debugf(string, ...any) {}

// Tracef logs nothing.
func (l serverLog) Tracef(string, ...any) {}
