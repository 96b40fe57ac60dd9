package iso8601

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseAndFormat(t *testing.T) {
	for _, c := range []struct {
		in     string
		want   Duration
		format string // when it is not the input
	}{
		{"PT1M", Minute, ""},
		{"PT60S", Minute, "PT1M"},
		{"P14D", 14 * Day, ""},
		{"PT30S", 30 * Second, ""},
		{"P1DT2H3M4.5S", Day + 2*Hour + 3*Minute + 4*Second + Second/2, ""},
		{"PT0S", 0, ""},
		{"P0D", 0, "PT0S"},
		{"P1Y2M3D", (365 + 60 + 3) * Day, "P428D"},
		{"PT0.0000001S", Tick, ""},
		{"PT0.00000019S", Tick, "PT0.0000001S"},
		{"P10675199DT2H48M5.4775807S", Unlimited, ""},
		{"-PT5M", -5 * Minute, ""},
		{"PT90M", 90 * Minute, "PT1H30M"},
		{"PT10.50S", 105 * Second / 10, "PT10.5S"},
	} {
		got, err := Parse(c.in)
		if err != nil || got != c.want {
			t.Errorf("Parse(%q) is %d (%v), want %d", c.in, got, err, c.want)
		}
		if c.format == "" {
			c.format = c.in
		}
		if s := Format(got); s != c.format {
			t.Errorf("Format of %q is %q, want %q", c.in, s, c.format)
		}
	}
}

func TestRefusals(t *testing.T) {
	for in, why := range map[string]string{
		"": "begin with P", "1M": "begin with P", "00:01:00": "begin with P", "pt1m": "begin with P",
		"P": "follows its P", "PT": "follows its T", "P1DT": "follows its T",
		"PT1": "missing its unit", "PTM": "unit its number", "P1W": "no unit there", "PT1D": "no unit there", "P1H": "no unit there",
		"PT1M1H": "no unit there", "PT1M1M": "no unit there", "PT1.5M": "only seconds", "PT.5S": "only seconds", "PT1.S": "only seconds", "PT1.2.3S": "only seconds",
		"P10675200D": "too long", "P10675199DT2H48M5.4775808S": "too long", "P99999999999999999999D": "too long", "PT1M ": "missing its unit", "P-1D": "missing its unit",
	} {
		if d, err := Parse(in); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("Parse(%q) is %v (%v), want an error with %q", in, d, err, why)
		}
	}
}

func TestStd(t *testing.T) {
	for d, want := range map[Duration]time.Duration{
		Minute: time.Minute, -Second: -time.Second, Unlimited: math.MaxInt64, -Unlimited: math.MinInt64, 0: 0,
	} {
		if got := d.Std(); got != want {
			t.Errorf("%v is %v, want %v", d, got, want)
		}
	}
	if Of(time.Hour+99) != Hour {
		t.Error("Of keeps what is finer than a tick")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"PT1M", "P1Y2M3DT4H5M6.7S", "-P1D", "P10675199DT2H48M5.4775807S"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(Format(d)); err != nil || again != d {
			t.Fatalf("%q is %d, written %q, read again %d (%v)", s, d, Format(d), again, err)
		}
	})
}
