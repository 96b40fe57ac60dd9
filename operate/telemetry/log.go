package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

// Formats are the log formats NewLogger knows.
var Formats = []string{"text", "json"}

// NewLogger writes logs of at least a level (debug, info, warn, error) to w: text
// for people at a terminal, with the time of day only, or json, one object a line
// with full times.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(strings.ToUpper(level))); err != nil {
		return nil, fmt.Errorf("%q is no log level: debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: least}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case "text":
		options.ReplaceAttr = timeOfDay
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return nil, fmt.Errorf("%q is no log format: %s", format, strings.Join(Formats, " or "))
}

// timeOfDay shortens the time of a record; a reader at a terminal knows the day.
func timeOfDay(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		return slog.String(slog.TimeKey, a.Value.Time().Format(time.TimeOnly+".000"))
	}
	return a
}
