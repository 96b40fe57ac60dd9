package dotnet

import (
	"testing"
	"time"
)

var someday = DateTime{Ticks: TimeOf(time.Date(2025, 9, 5, 17, 8, 31, 338479700, time.UTC)).Ticks, Kind: UTC}

func TestDateFormats(t *testing.T) {
	for _, c := range []struct{ format, culture, want string }{
		{"", "en-US", "9/5/2025 5:08:31 PM"}, {"d", "en-US", "9/5/2025"}, {"D", "en-US", "Friday, September 5, 2025"},
		{"f", "en-US", "Friday, September 5, 2025 5:08 PM"}, {"F", "en-US", "Friday, September 5, 2025 5:08:31 PM"},
		{"g", "en-US", "9/5/2025 5:08 PM"}, {"G", "en-US", "9/5/2025 5:08:31 PM"}, {"M", "en-US", "September 5"}, {"y", "en-US", "September 2025"},
		{"o", "en-US", "2025-09-05T17:08:31.3384797Z"}, {"r", "de-DE", "Fri, 05 Sep 2025 17:08:31 GMT"}, {"s", "en-US", "2025-09-05T17:08:31"},
		{"t", "en-US", "5:08 PM"}, {"T", "de-DE", "17:08:31"}, {"u", "en-US", "2025-09-05 17:08:31Z"},
		{"yyyy-MM-dd", "en-US", "2025-09-05"}, {"yyy-M-d", "en-US", "2025-9-5"}, {"yy'y'", "en-US", "25y"}, {"%d", "en-US", "5"}, {"HH\\h mm", "en-US", "17h 08"},
		{"hh:mm tt", "en-US", "05:08 PM"}, {"h t", "en-US", "5 P"}, {"ss.fff", "en-US", "31.338"}, {"s.FFFFFFF K", "en-US", "31.3384797 Z"}, {"zzz", "en-US", "+00:00"},
		{"dddd d MMMM", "fr-FR", "vendredi 5 septembre"}, {"d MMMM", "ru-RU", "5 сентября"}, {"MMMM yyyy", "ru-RU", "сентябрь 2025"}, {"dd/MM/yyyy", "de-DE", "05.09.2025"}, {"ddd d MMM", "de-DE", "Fr 5 Sept."}, {"MMM yyyy", "de-DE", "Sep 2025"}, {"D", "en-GB", "05 September 2025"},
	} {
		cu, ok := CultureOf(c.culture)
		if !ok {
			t.Fatalf("no culture %s", c.culture)
		}
		if got, err := someday.Format(c.format, cu); err != nil || got != c.want {
			t.Errorf("%q in %s: %q, %v, wants %q", c.format, c.culture, got, err, c.want)
		}
	}
	for _, bad := range []string{"e", "'open", "\\", "ffffffff", "%", "%%"} {
		if got, err := someday.Format(bad, American); err == nil {
			t.Errorf("%q gave %q, wants a refusal", bad, got)
		}
	}
}

func TestDatesAreRead(t *testing.T) {
	for _, c := range []struct{ text, culture, want string }{
		{"2018-03-15T13:27:36Z", "en-US", "2018-03-15T13:27:36.0000000Z"}, {"2018-03-15", "en-US", "2018-03-15T00:00:00.0000000"},
		{"2018-03-15T13:27:36.12345678+02:00", "en-US", "2018-03-15T11:27:36.1234568+00:00"}, {"2018-03-15 13:27", "en-US", "2018-03-15T13:27:00.0000000"},
		{"2018-03-15T13:27:36-0530", "en-US", "2018-03-15T18:57:36.0000000+00:00"}, {"2018-03-15T24:00:00", "en-US", "2018-03-16T00:00:00.0000000"},
		{"03/15/2018", "en-US", "2018-03-15T00:00:00.0000000"}, {"3/5/2018 1:02:03 PM", "en-US", "2018-03-05T13:02:03.0000000"}, {"3/5/18 1 pm", "en-US", "2018-03-05T13:00:00.0000000"},
		{"March 15, 2018", "en-US", "2018-03-15T00:00:00.0000000"}, {"15 Mar 2018 10:00", "en-US", "2018-03-15T10:00:00.0000000"}, {"Mar 2018", "en-US", "2018-03-01T00:00:00.0000000"},
		{"Thu, 15 Mar 2018 13:00:00 GMT", "en-US", "2018-03-15T13:00:00.0000000Z"}, {"20/10/2014", "fr-FR", "2014-10-20T00:00:00.0000000"}, {"2018/3/5", "en-US", "2018-03-05T00:00:00.0000000"},
		{"martes 20 octubre 2020", "es-ES", "2020-10-20T00:00:00.0000000"}, {"20 de octubre de 2020", "es-ES", "2020-10-20T00:00:00.0000000"}, {"15.03.2018 13:00", "de-DE", "2018-03-15T13:00:00.0000000"},
		{"2018-03", "en-US", "2018-03-01T00:00:00.0000000"}, {"03/2018", "en-US", "2018-03-01T00:00:00.0000000"}, {"2018-3-5 1:02 PM", "en-US", "2018-03-05T13:02:00.0000000"}, {"15-Mar-2018 1:00PM", "en-US", "2018-03-15T13:00:00.0000000"}, {"12/31/1999 12:00:00 AM", "en-US", "1999-12-31T00:00:00.0000000"}, {"2014-10-20T15:30:00.5", "en-US", "2014-10-20T15:30:00.5000000"},
		{"2018-01-01T80:00:00Z", "en-US", ""}, {"", "en-US", ""}, {"hello", "en-US", ""}, {"2018-02-30", "en-US", ""}, {"Friday, March 15, 2018", "en-US", ""},
		{"12:30", "en-US", ""}, {"15/3/2018", "en-US", ""}, {"2018-03-15T13:27:36+15:00", "en-US", ""}, {"1/2", "en-US", ""}, {"1 2 3 4", "en-US", ""},
	} {
		cu, _ := CultureOf(c.culture)
		d, ok := Parse(c.text, cu)
		if ok != (c.want != "") || ok && d.RoundTrip() != c.want {
			t.Errorf("Parse(%q, %s) = %s %v, wants %q", c.text, c.culture, d.RoundTrip(), ok, c.want)
		}
	}
	for _, c := range []struct{ text, format, want string }{
		{"10/20/2014 15h", "MM/dd/yyyy HH\\h", "2014-10-20T15:00:00.0000000"}, {"20141020", "yyyyMMdd", "2014-10-20T00:00:00.0000000"},
		{"20-Oct-14 3:04 PM", "dd-MMM-yy h:mm tt", "2014-10-20T15:04:00.0000000"}, {"2014-10-20T15:00:00.1200000Z", "o", "2014-10-20T15:00:00.1200000Z"},
		{"Monday 20 October 2014", "dddd d MMMM yyyy", "2014-10-20T00:00:00.0000000"}, {"2014-10-20 +02:00", "yyyy-MM-dd zzz", "2014-10-19T22:00:00.0000000+00:00"},
		{"20141320", "yyyyMMdd", ""}, {"2014102", "yyyyMMdd", ""}, {"20141020x", "yyyyMMdd", ""},
	} {
		d, ok := ParseExact(c.text, c.format, American)
		if ok != (c.want != "") || ok && d.RoundTrip() != c.want {
			t.Errorf("ParseExact(%q, %q) = %s %v, wants %q", c.text, c.format, d.RoundTrip(), ok, c.want)
		}
	}
}

func TestNumberFormats(t *testing.T) {
	parsed, _ := ParseDecimal("1.2345678912312131")
	for _, c := range []struct {
		v               any
		format, culture string
		want            string
	}{
		{17.35, "C2", "en-US", "$17.35"}, {17.35, "C2", "is-IS", "17,35 kr"}, {-17.356, "C", "en-US", "-$17.36"}, {int64(1234567890), "N", "en-US", "1,234,567,890.00"},
		{int64(1234567890), "0,0.00", "en-US", "1,234,567,890.00"}, {int64(1234567890), "0,0.00", "is-IS", "1.234.567.890,00"}, {1234.5678, "F1", "en-US", "1234.6"},
		{int64(42), "D5", "en-US", "00042"}, {int64(-42), "D5", "en-US", "-00042"}, {int64(255), "X", "en-US", "FF"}, {int64(255), "x4", "en-US", "00ff"}, {0.1735, "P", "en-US", "17.35%"},
		{1234.5678, "E2", "en-US", "1.23E+003"}, {1234.5678, "e", "en-US", "1.234568e+003"}, {0.0, "E1", "en-US", "0.0E+000"}, {1234.5678, "G", "en-US", "1234.5678"}, {1234.5678, "G3", "en-US", "1.23E+03"},
		{2.5, "F0", "en-US", "2"}, {0.125, "N2", "en-US", "0.12"}, {0.125, "0.00", "en-US", "0.13"}, {12.345, "F2", "en-US", "12.35"}, {1.005, "F2", "en-US", "1.00"}, {-0.4, "F0", "en-US", "0"}, {2.345, "F2", "en-US", "2.35"}, {parsed, "G", "en-US", "1.2345678912312131"}, {1e20, "G", "en-US", "1E+20"}, {1e20, "N0", "en-US", "100,000,000,000,000,000,000"},
		{1234.5, "#,##0.00", "en-US", "1,234.50"}, {0.5, "#.##", "en-US", ".5"}, {0.0, "#.##", "en-US", ""}, {int64(5), "000", "en-US", "005"}, {int64(1234567), "#,##0,", "en-US", "1,235"}, {0.5, "0%", "en-US", "50%"},
		{1234567.0, "0.00E+00", "en-US", "1.23E+06"}, {int64(-5), "0;(0);zero", "en-US", "(5)"}, {int64(0), "0;(0);zero", "en-US", "zero"}, {int64(-5), "0.0", "en-US", "-5.0"}, {int64(5551234), "###-####", "en-US", "555-1234"}, {int64(7), "'#'0\\0", "en-US", "#70"},
		{1234.5, "N2", "de-DE", "1.234,50"}, {int64(12), "G", "en-US", "12"}, {100.0, "R", "en-US", "100"}, {int64(100), "G1", "en-US", "1E+02"},
	} {
		cu, _ := CultureOf(c.culture)
		if got, err := FormatNumber(c.v, c.format, cu); err != nil || got != c.want {
			t.Errorf("%v by %q in %s: %q, %v, wants %q", c.v, c.format, c.culture, got, err, c.want)
		}
	}
	for _, c := range []struct {
		v      any
		format string
	}{{1.5, "D"}, {1.5, "X"}, {int64(1), "Q"}, {int64(1), "N9999"}} {
		if got, err := FormatNumber(c.v, c.format, American); err == nil {
			t.Errorf("%v by %q gave %q, wants a refusal", c.v, c.format, got)
		}
	}
}

func TestFloatsAreRead(t *testing.T) {
	for text, want := range map[string]float64{"10,000.333": 10000.333, "1234567,8+": 12345678, "12345,6,78,-": -12345678, "-12,345,678,": -12345678, "12345678.-": -12345678, ".12345678": 0.12345678, " 5 ": 5, "$5": 5, "(5)": -5, "1e3": 1000, "1.5E-3": 0.0015} {
		if got, ok := ParseFloat(text, American); !ok || got != want {
			t.Errorf("%q: %v %v, wants %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "abc", "1.2.3", "--1", "1e", "1 2", ".", "0x10", "1_000"} {
		if got, ok := ParseFloat(text, American); ok {
			t.Errorf("%q gave %v, wants a refusal", text, got)
		}
	}
	german, _ := CultureOf("de-DE")
	if got, ok := ParseFloat("10.000,333", german); !ok || got != 10000.333 {
		t.Errorf("German: %v %v", got, ok)
	}
}

func TestDecimalArithmetic(t *testing.T) {
	d := func(s string) Decimal {
		v, err := ParseDecimal(s)
		if err != nil {
			t.Fatal(s, err)
		}
		return v
	}
	check := func(what string, got Decimal, err error, want string) {
		t.Helper()
		if err != nil || got.String() != want {
			t.Errorf("%s = %s, %v, wants %s", what, got, err, want)
		}
	}
	v, err := d("1.2345678912312131").Add(d("1.2345678912312131"))
	check("sum", v, err, "2.4691357824624262")
	v, err = d("1").Div(d("3"))
	check("third", v, err, "0.3333333333333333333333333333")
	v, err = d("2").Div(d("3"))
	check("two thirds", v, err, "0.6666666666666666666666666667")
	v, err = d("10").Div(d("4"))
	check("quarter", v, err, "2.5")
	v, err = d("1.10").Mul(d("2.00"))
	check("product", v, err, "2.2000")
	v, err = d("-7.5").Rem(d("2"))
	check("rest", v, err, "-1.5")
	v, err = d("0.00000000000000000000000000005").Add(d("0"))
	check("half of the last digit", v, err, "0.0000000000000000000000000000")
	if _, err := d("79228162514264337593543950335").Add(d("1")); err == nil {
		t.Error("the largest and one more, wants an overflow")
	}
	if _, err := d("1").Div(d("0")); err == nil {
		t.Error("a division by zero, wants an error")
	}
}

func TestSpans(t *testing.T) {
	for text, want := range map[string]string{"1268.00:00:00": "1268.00:00:00", "01:02": "01:02:00", "-1.02:03:04.5": "-1.02:03:04.5000000", "6": "6.00:00:00", "1:02:03:04": "1.02:03:04"} {
		if s, ok := ParseSpan(text); !ok || s.String() != want {
			t.Errorf("%q: %s %v, wants %s", text, s, ok, want)
		}
	}
	for _, text := range []string{"", "x", "25:00", "1:60", "1:2:3:4:5", "1:00:00."} {
		if s, ok := ParseSpan(text); ok {
			t.Errorf("%q gave %s, wants a refusal", text, s)
		}
	}
	s, _ := ParseSpan("1.02:03:04.5")
	for format, want := range map[string]string{"g": "1:2:03:04.5", "G": "1:02:03:04.5000000", "hh\\:mm": "02:03", "d' days 'h": "1 days 2", "%s": "4"} {
		if got, err := s.Format(format, American); err != nil || got != want {
			t.Errorf("%q: %q %v, wants %q", format, got, err, want)
		}
	}
}

func TestZones(t *testing.T) {
	for name := range windowsZones {
		if _, ok := Zone(name); !ok {
			t.Errorf("no rules for %s", name)
		}
	}
	pacific, ok := Zone("Pacific Standard Time")
	if !ok {
		t.Fatal("no Pacific time")
	}
	at := func(s string) DateTime { d, _ := Parse(s, American); return d }
	if got := at("2018-01-01T08:00:00Z").In(pacific).RoundTrip(); got != "2018-01-01T00:00:00.0000000" {
		t.Error(got)
	}
	for wall, want := range map[string]string{
		"2018-01-01T00:00:00": "2018-01-01T08:00:00.0000000Z", "2018-07-01T00:00:00": "2018-07-01T07:00:00.0000000Z",
		"2018-03-11T02:30:00": "2018-03-11T10:30:00.0000000Z", // skipped
		"2018-11-04T01:30:00": "2018-11-04T09:30:00.0000000Z", // twice: the standard one
	} {
		if got, _ := at(wall).From(pacific); got.RoundTrip() != want {
			t.Errorf("%s is %s, wants %s", wall, got.RoundTrip(), want)
		}
	}
	if !at("2018-03-11T02:30:00").Skipped(pacific) || at("2018-03-11T03:30:00").Skipped(pacific) {
		t.Error("which times are skipped is not seen")
	}
	if _, ok := Zone("Middle Earth Standard Time"); ok {
		t.Error("a zone that is none")
	}
}

func TestFloatText(t *testing.T) {
	for f, want := range map[float64]string{0.016666666666666666: "0.016666666666666666", 10: "10", 1e15: "1000000000000000", 1e17: "1E+17", 123456789012345: "123456789012345", 0.00001: "1E-05", 0.0001: "0.0001", -1.5: "-1.5", 1.5e300: "1.5E+300"} {
		if got := FloatText(f); got != want {
			t.Errorf("%v: %s, wants %s", f, got, want)
		}
	}
}
