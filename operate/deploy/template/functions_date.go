package template

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func dateFunctions() []*function {
	return []*function{
		{name: "dateTimeAdd", group: "date", least: 2, most: 3, usage: "dateTimeAdd(time, duration, format)", summary: "A time an ISO 8601 duration later; -P1D is earlier.", run: func(_ *env, args []any) (any, error) {
			base, err := asText(args, 0)
			if err != nil {
				return nil, err
			}
			at, form, err := parseTime(base)
			if err != nil {
				return nil, err
			}
			duration, err := asText(args, 1)
			if err != nil {
				return nil, err
			}
			if at, err = later(at, duration); err != nil {
				return nil, err
			}
			if len(args) == 3 {
				if form, err = asText(args, 2); err != nil {
					return nil, err
				}
			}
			return formatTime(at, form)
		}},
		{name: "dateTimeFromEpoch", group: "date", least: 1, most: 1, usage: "dateTimeFromEpoch(seconds)", summary: "The time so many seconds after 1970.", run: func(_ *env, args []any) (any, error) {
			seconds, err := asInt(args, 0)
			if err != nil {
				return nil, err
			}
			return formatTime(time.Unix(seconds, 0).UTC(), "yyyy-MM-ddTHH:mm:ssZ")
		}},
		{name: "dateTimeToEpoch", group: "date", least: 1, most: 1, usage: "dateTimeToEpoch(time)", summary: "How many seconds after 1970 a time is.", run: ofText(func(s string) (any, error) {
			at, _, err := parseTime(s)
			return at.Unix(), err
		})},
		{name: "utcNow", group: "date", most: 1, usage: "utcNow(format)", summary: "The time now, as yyyyMMddTHHmmssZ or in a format of .NET; for default values of parameters.", run: func(e *env, args []any) (any, error) {
			if e.place != inParameter {
				return nil, fmt.Errorf("it may stand in the default value of a parameter alone, and this is %s", e.place)
			}
			form := "yyyyMMddTHHmmssZ"
			if len(args) == 1 {
				s, err := asText(args, 0)
				if err != nil {
					return nil, err
				}
				form = s
			}
			return formatTime(e.world.o.Now.UTC(), form)
		}},
	}
}

// timeForms are the forms a time may have, and the format it is written in again.
var timeForms = []struct{ layout, format string }{
	{"2006-01-02 15:04:05Z", "u"},
	{"2006-01-02T15:04:05.9999999Z07:00", "yyyy-MM-ddTHH:mm:ssZ"},
	{"20060102T150405Z", "yyyyMMddTHHmmssZ"},
	{"2006-01-02T15:04:05", "yyyy-MM-ddTHH:mm:ss"},
	{"2006-01-02 15:04:05", "yyyy-MM-dd HH:mm:ss"},
	{"2006-01-02T15:04Z07:00", "yyyy-MM-ddTHH:mmZ"},
	{"2006-01-02", "yyyy-MM-dd"},
	{"01/02/2006 15:04:05", "MM/dd/yyyy HH:mm:ss"},
	{"01/02/2006", "MM/dd/yyyy"},
	{"1/2/2006 3:04:05 PM", "M/d/yyyy h:mm:ss tt"},
	{time.RFC1123, "r"},
}

func parseTime(s string) (at time.Time, format string, err error) {
	for _, f := range timeForms {
		if at, err := time.Parse(f.layout, strings.TrimSpace(s)); err == nil {
			return at.UTC(), f.format, nil
		}
	}
	return at, "", fmt.Errorf("%s is no time: write one as 2020-04-07T14:53:14Z", describe(s))
}

// later adds a duration of ISO 8601: P1Y2M3W4DT5H6M7.8S, or with '-' before it.
func later(at time.Time, duration string) (time.Time, error) {
	bad := fmt.Errorf("%s is no duration: write one as P3Y, -P9D or PT1H30M", describe(duration))
	s, sign := strings.TrimSpace(duration), 1
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		s, sign = rest, -1
	}
	s, ok := strings.CutPrefix(s, "P")
	if !ok || s == "" {
		return at, bad
	}
	inTime := false
	for s != "" {
		if s[0] == 'T' {
			inTime, s = true, s[1:]
			if s == "" {
				return at, bad
			}
			continue
		}
		n := strings.IndexFunc(s, func(r rune) bool { return r < '0' && r != '.' || r > '9' })
		if n < 1 {
			return at, bad
		}
		value, err := strconv.ParseFloat(s[:n], 64)
		if err != nil || value > 1e9 {
			return at, bad
		}
		unit := s[n]
		s = s[n+1:]
		whole := sign * int(value)
		switch {
		case !inTime && unit == 'Y':
			at = at.AddDate(whole, 0, 0)
		case !inTime && unit == 'M':
			at = at.AddDate(0, whole, 0)
		case !inTime && unit == 'W':
			at = at.AddDate(0, 0, 7*whole)
		case !inTime && unit == 'D':
			at = at.AddDate(0, 0, whole)
		case inTime && unit == 'H':
			at = at.Add(time.Duration(float64(sign) * value * float64(time.Hour)))
		case inTime && unit == 'M':
			at = at.Add(time.Duration(float64(sign) * value * float64(time.Minute)))
		case inTime && unit == 'S':
			at = at.Add(time.Duration(float64(sign) * value * float64(time.Second)))
		default:
			return at, bad
		}
	}
	return at, nil
}

// standardFormats are .NET's one-letter formats of the invariant culture.
var standardFormats = map[string]string{
	"d": "MM/dd/yyyy", "D": "dddd, dd MMMM yyyy", "t": "HH:mm", "T": "HH:mm:ss",
	"f": "dddd, dd MMMM yyyy HH:mm", "F": "dddd, dd MMMM yyyy HH:mm:ss", "g": "MM/dd/yyyy HH:mm", "G": "MM/dd/yyyy HH:mm:ss",
	"m": "MMMM dd", "M": "MMMM dd", "y": "yyyy MMMM", "Y": "yyyy MMMM", "s": "yyyy-MM-ddTHH:mm:ss", "u": "yyyy-MM-dd HH:mm:ss'Z'",
	"o": "yyyy-MM-ddTHH:mm:ss.fffffff'Z'", "O": "yyyy-MM-ddTHH:mm:ss.fffffff'Z'", "r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'", "R": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
	"U": "dddd, dd MMMM yyyy HH:mm:ss",
}

// customParts are the parts of .NET's custom formats, the longest first, each with what
// Go writes for it.
var customParts = []struct{ part, layout string }{
	{"yyyy", "2006"}, {"yy", "06"}, {"MMMM", "January"}, {"MMM", "Jan"}, {"MM", "01"}, {"M", "1"},
	{"dddd", "Monday"}, {"ddd", "Mon"}, {"dd", "02"}, {"d", "2"}, {"HH", "15"}, {"hh", "03"}, {"h", "3"},
	{"mm", "04"}, {"m", "4"}, {"ss", "05"}, {"s", "5"}, {"tt", "PM"}, {"zzz", "-07:00"}, {"K", "Z07:00"},
}

func formatTime(at time.Time, format string) (any, error) {
	if standard, ok := standardFormats[format]; ok {
		format = standard
	} else if len(format) == 1 {
		return nil, fmt.Errorf("'%s' is no format of a time: write one as yyyy-MM-dd", format)
	}
	var b strings.Builder
	for format != "" {
		part, layout := formatPart(format)
		switch {
		case layout != "":
			b.WriteString(at.Format(layout))
		case strings.HasPrefix(format, "H"):
			part = "H"
			b.WriteString(strconv.Itoa(at.Hour()))
		case format[0] == 'f' || format[0] == 'F':
			digits := len(format) - len(strings.TrimLeft(format, format[:1]))
			part = format[:digits]
			b.WriteString(fmt.Sprintf("%09d", at.Nanosecond())[:min(digits, 7)])
		case format[0] == '\'' || format[0] == '"':
			end := strings.IndexByte(format[1:], format[0])
			if end < 0 {
				return nil, fmt.Errorf("the format of a time has a quote without its end")
			}
			b.WriteString(format[1 : end+1])
			part = format[:end+2]
		case format[0] == '\\' && len(format) > 1:
			b.WriteByte(format[1])
			part = format[:2]
		case format[0] == '%' && len(format) > 1:
			part = "%"
		default:
			part = format[:1]
			b.WriteString(part)
		}
		format = format[len(part):]
	}
	return b.String(), nil
}

func formatPart(format string) (part, layout string) {
	for _, p := range customParts {
		if strings.HasPrefix(format, p.part) {
			return p.part, p.layout
		}
	}
	return "", ""
}
