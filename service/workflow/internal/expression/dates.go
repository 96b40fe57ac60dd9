package expression

import (
	"math"
	"strings"
	"time"

	"weir/internal/dotnet"
)

// timestamp reads a parameter as a time.
func (f *frame) timestamp(args []any, i int) (dotnet.DateTime, error) {
	s, err := f.str(args, i)
	if err != nil {
		return dotnet.DateTime{}, err
	}
	if d, ok := dotnet.Parse(s, dotnet.American); ok {
		return d, nil
	}
	return dotnet.DateTime{}, f.noTime(s)
}

func (f *frame) noTime(s string) error {
	return fail("In function '%s', the value provided for date time string '%s' was not valid. The datetime string must match ISO 8601 format.", f.name(), upTo(s))
}

// written formats a time by an optional parameter.
func (f *frame) written(d dotnet.DateTime, args []any, i int) (any, error) {
	format, err := f.optional(args, i)
	if err != nil {
		return nil, err
	}
	return f.formatted(d, format, dotnet.American)
}

func (f *frame) formatted(d dotnet.DateTime, format string, c *dotnet.Culture) (any, error) {
	if format == "" {
		return d.RoundTrip(), nil
	}
	s, err := d.Format(format, c)
	if err != nil {
		return nil, fail("In function '%s', the value provided for date time format '%s' was not valid. The datetime format must match '<numeric format string>'.", f.name(), upTo(format))
	}
	return s, nil
}

func (f *frame) zone(args []any, i int) (*time.Location, error) {
	name, err := f.str(args, i)
	if err != nil {
		return nil, err
	}
	if z, ok := dotnet.Zone(name); ok {
		return z, nil
	}
	return nil, fail("In function '%s', the value provided for the time zone id '%s' was not valid.", f.name(), upTo(name))
}

// unitTicks are the units that have a length; months and years do not.
var unitTicks = map[string]int64{"second": dotnet.TicksPerSecond, "minute": dotnet.TicksPerMinute, "hour": dotnet.TicksPerHour, "day": dotnet.TicksPerDay, "week": 7 * dotnet.TicksPerDay}

// moved adds n units to a time.
func (f *frame) moved(d dotnet.DateTime, n int64, unit string) (dotnet.DateTime, error) {
	ok := false
	unit = strings.TrimSuffix(strings.ToLower(unit), "s")
	ticks, fixed := unitTicks[unit]
	switch {
	case fixed:
		if n < math.MaxInt64/ticks && n > -math.MaxInt64/ticks {
			d, ok = d.Add(n * ticks)
		}
	case unit == "month" || unit == "year":
		if unit == "year" {
			n = min(max(n, -20000), 20000) * 12
		}
		d, ok = d.AddMonths(int(min(max(n, -240000), 240000)))
	default:
		return d, f.invalid("The time unit '%s' is none of 'Second', 'Minute', 'Hour', 'Day', 'Week', 'Month' and 'Year'.", upTo(unit))
	}
	if !ok {
		return d, f.invalid("The added or subtracted value results in an un-representable date.")
	}
	return d, nil
}

// amount reads how many units are added: whole ones, but for addDays and its like.
func (f *frame) amount(args []any, i int, unit string) (ticks int64, whole bool, err error) {
	if v, ok := args[i].(float64); ok && v != math.Trunc(v) && math.Abs(v) < 1e9 {
		return int64(math.Round(v * float64(unitTicks[unit]))), false, nil
	}
	n, err := f.integer(args, i)
	return n, true, err
}

func addUnit(unit string) implementation {
	return func(f *frame, args []any) (any, error) {
		d, err := f.timestamp(args, 0)
		if err != nil {
			return nil, err
		}
		n, whole, err := f.amount(args, 1, unit)
		if err != nil {
			return nil, err
		}
		if whole {
			d, err = f.moved(d, n, unit)
		} else {
			d, _ = d.Add(n)
		}
		if err != nil {
			return nil, err
		}
		return f.written(d, args, 2)
	}
}

var addDays, addHours, addMinutes, addSeconds = addUnit("day"), addUnit("hour"), addUnit("minute"), addUnit("second")

// shift is a function with interval and unit, from a given time or from now.
func shift(sign int64, given bool) implementation {
	return func(f *frame, args []any) (any, error) {
		d, i, err := f.now(), 0, error(nil)
		if given {
			d, err = f.timestamp(args, 0)
			i = 1
		}
		if err != nil {
			return nil, err
		}
		n, err := f.integer(args, i)
		if err != nil {
			return nil, err
		}
		unit, err := f.str(args, i+1)
		if err != nil {
			return nil, err
		}
		if d, err = f.moved(d, sign*n, unit); err != nil {
			return nil, err
		}
		return f.written(d, args, i+2)
	}
}

var addToTime, subtractFromTime, getFutureTime, getPastTime = shift(1, true), shift(-1, true), shift(1, false), shift(-1, false)

func (f *frame) now() dotnet.DateTime { return dotnet.TimeOf(f.context.Now()) }

func utcNow(f *frame, args []any) (any, error) { return f.written(f.now(), args, 0) }

func formatDateTime(f *frame, args []any) (any, error) {
	d, err := f.timestamp(args, 0)
	if err != nil {
		return nil, err
	}
	format, err := f.optional(args, 1)
	if err != nil {
		return nil, err
	}
	culture, err := f.culture(args, 2)
	if err != nil {
		return nil, err
	}
	return f.formatted(d, format, culture)
}

func parseDateTime(f *frame, args []any) (any, error) {
	s, err := f.str(args, 0)
	if err != nil {
		return nil, err
	}
	culture, err := f.culture(args, 1)
	if err != nil {
		return nil, err
	}
	format, err := f.optional(args, 2)
	if err != nil {
		return nil, err
	}
	d, ok := dotnet.Parse(s, culture)
	if format != "" {
		d, ok = dotnet.ParseExact(s, format, culture)
	}
	if !ok {
		return nil, f.noTime(s)
	}
	return d.RoundTrip(), nil
}

func formatTimeSpan(f *frame, args []any) (any, error) {
	s, err := f.str(args, 0)
	if err != nil {
		return nil, err
	}
	format, err := f.optional(args, 1)
	if err != nil {
		return nil, err
	}
	culture, err := f.culture(args, 2)
	if err != nil {
		return nil, err
	}
	span, ok := dotnet.ParseSpan(s)
	if !ok {
		return nil, f.invalid("The value '%s' is no time span.", upTo(s))
	}
	out, err := span.Format(format, culture)
	if err != nil {
		return nil, f.invalid("The format '%s' is not valid for a time span.", upTo(format))
	}
	return out, nil
}

func convertFromUtc(f *frame, args []any) (any, error) {
	d, err := f.timestamp(args, 0)
	if err != nil {
		return nil, err
	}
	zone, err := f.zone(args, 1)
	if err != nil {
		return nil, err
	}
	return f.written(d.In(zone), args, 2)
}

// utcOf reads a time by the clocks of a zone. One that says it is UTC is.
func (f *frame) utcOf(d dotnet.DateTime, zone *time.Location) (dotnet.DateTime, error) {
	if d.Kind != dotnet.Unspecified {
		d.Kind = dotnet.UTC
		return d, nil
	}
	utc, ok := d.From(zone)
	if !ok {
		return d, f.invalid("The converted date is un-representable.")
	}
	return utc, nil
}

func convertToUtc(f *frame, args []any) (any, error) {
	d, err := f.timestamp(args, 0)
	if err != nil {
		return nil, err
	}
	zone, err := f.zone(args, 1)
	if err != nil {
		return nil, err
	}
	if d.Kind == dotnet.UTC && d.In(zone).Ticks != d.Ticks {
		return nil, fail("The template language function 'convertToUtc' expects its second parameter to be a time zone matching the time zone indicated by the timestamp. The provided value '%s' does not match. %s", Text(args[1]), f.function.usage())
	}
	if d, err = f.utcOf(d, zone); err != nil {
		return nil, err
	}
	return f.written(d, args, 2)
}

func convertTimeZone(f *frame, args []any) (any, error) {
	d, err := f.timestamp(args, 0)
	if err != nil {
		return nil, err
	}
	from, err := f.zone(args, 1)
	if err != nil {
		return nil, err
	}
	to, err := f.zone(args, 2)
	if err != nil {
		return nil, err
	}
	if d, err = f.utcOf(d, from); err != nil {
		return nil, err
	}
	return f.written(d.In(to), args, 3)
}

func dateDifference(f *frame, args []any) (any, error) {
	start, err := f.timestamp(args, 0)
	if err != nil {
		return nil, err
	}
	end, err := f.timestamp(args, 1)
	if err != nil {
		return nil, err
	}
	return dotnet.Span(end.Ticks - start.Ticks).String(), nil
}

// fieldOf is a function that reads one number off a time.
func fieldOf(read func(dotnet.DateTime) int64) implementation {
	return func(f *frame, args []any) (any, error) {
		d, err := f.timestamp(args, 0)
		if err != nil {
			return nil, err
		}
		return read(d), nil
	}
}

var (
	dayOfMonth = fieldOf(func(d dotnet.DateTime) int64 { return int64(d.Instant().Day()) })
	dayOfWeek  = fieldOf(func(d dotnet.DateTime) int64 { return int64(d.Instant().Weekday()) })
	dayOfYear  = fieldOf(func(d dotnet.DateTime) int64 { return int64(d.Instant().YearDay()) })
	ticks      = fieldOf(func(d dotnet.DateTime) int64 { return d.Ticks })
)

// startOf is a function that goes back to the beginning of a span of time.
func startOf(back func(d dotnet.DateTime) int64) implementation {
	return func(f *frame, args []any) (any, error) {
		d, err := f.timestamp(args, 0)
		if err != nil {
			return nil, err
		}
		d.Ticks -= back(d)
		return f.written(d, args, 1)
	}
}

var (
	startOfDay   = startOf(func(d dotnet.DateTime) int64 { return d.Ticks % dotnet.TicksPerDay })
	startOfHour  = startOf(func(d dotnet.DateTime) int64 { return d.Ticks % dotnet.TicksPerHour })
	startOfMonth = startOf(func(d dotnet.DateTime) int64 {
		return d.Ticks%dotnet.TicksPerDay + int64(d.Instant().Day()-1)*dotnet.TicksPerDay
	})
)
