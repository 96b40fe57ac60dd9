package dotnet

import (
	"math"
	"strconv"
	"strings"
)

// FloatText writes a float as .NET does by itself: as few digits as tell it from
// its neighbours, with an exponent from 1E+17 on and from 1E-05 down.
func FloatText(f float64) string {
	if s, special := notFinite(f); special {
		return s
	}
	return general(strconv.FormatFloat(f, 'e', -1, 64), 17)
}

// formatG is the G format with a number of digits.
func formatG(f float64, digits int) string {
	if s, special := notFinite(f); special {
		return s
	}
	return general(strconv.FormatFloat(f, 'e', digits-1, 64), digits)
}

func notFinite(f float64) (string, bool) {
	switch {
	case math.IsNaN(f):
		return "NaN", true
	case math.IsInf(f, 1):
		return "Infinity", true
	case math.IsInf(f, -1):
		return "-Infinity", true
	}
	return "", false
}

// general turns d.ddde±x into the shorter form: with an exponent only when it is
// at least digits or -5 and below.
func general(e string, digits int) string {
	mantissa, power, _ := strings.Cut(e, "e")
	exponent, _ := strconv.Atoi(power)
	sign := ""
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	if exponent >= digits || exponent <= -5 {
		mark := "E+"
		if exponent < 0 {
			mark, exponent = "E-", -exponent
		}
		text := strconv.Itoa(exponent)
		if len(text) < 2 {
			text = "0" + text
		}
		return sign + mantissa + mark + text
	}
	all := strings.Replace(mantissa, ".", "", 1)
	switch {
	case exponent < 0:
		all = "0." + strings.Repeat("0", -exponent-1) + all
	case len(all) > exponent+1:
		all = all[:exponent+1] + "." + all[exponent+1:]
	default:
		all += strings.Repeat("0", exponent+1-len(all))
	}
	return sign + all
}
