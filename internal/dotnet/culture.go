package dotnet

import "strings"

// culture is a line of the table.
type culture struct {
	Name                                                             string
	days, shortDays                                                  string // from Sunday
	months                                                           string
	genitives                                                        string // of months that stand with a day, where that differs
	shortMonths                                                      string
	shortGenitives                                                   string
	halves                                                           string // AM, PM
	shortDate, longDate, shortTime, longTime, monthDay, yearMonth    string // patterns
	dateSeparator, point, group, currency, money, moneyDigits, ratio string
}

// Culture is how a language of a country writes dates and numbers.
type Culture struct {
	Name                                                                    string
	days, shortDays, months, genitives, shortMonths, shortGenitives, halves []string
	shortDate, longDate, shortTime, longTime, monthDay, yearMonth           string
	dateSeparator, timeSeparator                                            string
	point, group, currency                                                  string
	money                                                                   string // $n, n $: where the sign stands
	moneyDigits                                                             int
	ratio                                                                   string // n%
	order                                                                   string // of year, month and day in a short date
}

func culturesOf(lines ...culture) map[string]*Culture {
	m := make(map[string]*Culture, 2*len(lines))
	for _, l := range lines {
		list := func(s string) []string { return strings.Split(s, ",") }
		c := &Culture{Name: l.Name, days: list(l.days), shortDays: list(l.shortDays), months: list(l.months), shortMonths: list(l.shortMonths), halves: list(l.halves),
			shortDate: l.shortDate, longDate: l.longDate, shortTime: l.shortTime, longTime: l.longTime, monthDay: l.monthDay, yearMonth: l.yearMonth,
			dateSeparator: l.dateSeparator, timeSeparator: ":", point: l.point, group: l.group, currency: l.currency, money: l.money, moneyDigits: int(l.moneyDigits[0] - '0'), ratio: l.ratio}
		c.genitives, c.shortGenitives = c.months, c.shortMonths
		if l.shortGenitives != "" {
			c.shortGenitives = list(l.shortGenitives)
		}
		if l.genitives != "" {
			c.genitives = list(l.genitives)
		}
		c.order = orderOf(l.shortDate)
		m[strings.ToLower(l.Name)] = c
		// A language alone is the first of its countries in the table.
		if language, _, _ := strings.Cut(strings.ToLower(l.Name), "-"); m[language] == nil {
			m[language] = c
		}
	}
	return m
}

// orderOf gives the order of d, M and y in a pattern.
func orderOf(pattern string) string {
	order := ""
	for _, c := range pattern {
		if strings.ContainsRune("dMy", c) && !strings.ContainsRune(order, c) {
			order += string(c)
		}
	}
	return order
}

// American is en-US, which languages of .NET mean when they name no culture.
var American = cultures["en-us"]

// CultureOf gives a culture by name ("fr-FR", "fr"), in any case.
func CultureOf(name string) (*Culture, bool) {
	c, ok := cultures[strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), "_", "-"))]
	return c, ok
}
