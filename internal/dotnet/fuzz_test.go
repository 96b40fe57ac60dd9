package dotnet

import (
	"strings"
	"testing"
)

// FuzzTimes reads any text in any culture, writes it by any format, and reads what
// the round-trip format wrote: the same time.
func FuzzTimes(f *testing.F) {
	for _, s := range []string{"2018-03-15T13:27:36.1234567Z", "3/15/2018 1:02 PM", "martes 20 octubre 2020", "Thu, 15 Mar 2018 13:00:00 GMT", "9999-12-31T23:59:59.9999999", "0001-01-01", "2018-03-15T13:27:36-14:00"} {
		f.Add(s, "dddd d MMMM yyyy HH:mm:ss.fffffff K", "es-ES")
		f.Add(s, "o", "en-US")
		f.Add(s, "%d'x'\\y", "ru-RU")
	}
	f.Fuzz(func(t *testing.T, s, format, name string) {
		c, ok := CultureOf(name)
		if !ok {
			c = American
		}
		_, _ = ParseExact(s, format, c)
		d, ok := Parse(s, c)
		if !ok {
			return
		}
		again, ok := Parse(d.RoundTrip(), American)
		if !ok || again != d {
			t.Errorf("%q is %s, which reads as %s", s, d.RoundTrip(), again.RoundTrip())
		}
		if o, err := d.Format("o", c); err != nil || o != d.RoundTrip() {
			t.Errorf("o gives %s, %v", o, err)
		}
		_, _ = d.Format(format, c)
		for _, zone := range []string{"Pacific Standard Time", "Lord Howe Standard Time", "Morocco Standard Time"} {
			z, _ := Zone(zone)
			if utc, ok := d.From(z); ok && !d.Skipped(z) && utc.In(z).Ticks != d.Ticks {
				t.Errorf("%s in %s is %s, which is shown as %s there", d.RoundTrip(), zone, utc.RoundTrip(), utc.In(z).RoundTrip())
			}
		}
	})
}

// FuzzNumbers writes any number by any format and reads it again where it can be.
func FuzzNumbers(f *testing.F) {
	for _, format := range []string{"C2", "N0", "F3", "E4", "G", "P1", "#,##0.00;(0);zero", "0.0E+0", "000,", "%#", "'a'0\\b", "D8", "x"} {
		f.Add(1234.5678, int64(-42), format, "de-DE")
		f.Add(0.0, int64(0), format, "en-US")
		f.Add(1e-300, int64(-9223372036854775808), format, "fr-CA")
	}
	f.Fuzz(func(t *testing.T, v float64, i int64, format, name string) {
		c, ok := CultureOf(name)
		if !ok {
			c = American
		}
		_, _ = FormatNumber(v, format, c)
		_, _ = FormatNumber(i, format, c)
		if d, err := ParseDecimal(FloatText(v)); err == nil {
			_, _ = FormatNumber(d, format, c)
			if again, err := ParseDecimal(d.String()); err != nil || again.Cmp(d) != 0 {
				t.Errorf("%s reads as %s, %v", d, again, err)
			}
		}
		if text := FloatText(v); !strings.ContainsAny(text, "NI") {
			if back, ok := ParseFloat(text, American); !ok || back != v {
				t.Errorf("%v is %s, which reads as %v", v, text, back)
			}
		}
		if s, err := FormatNumber(i, "N0", c); err == nil {
			if back, ok := ParseFloat(s, c); !ok || back != float64(i) {
				t.Errorf("%d is %s in %s, which reads as %v", i, s, c.Name, back)
			}
		}
		if s, ok := ParseSpan(format); ok {
			if again, ok := ParseSpan(s.String()); !ok || again != s {
				t.Errorf("%s reads as %s", s, again)
			}
		}
	})
}
