package settings

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Group declares settings under one heading. Each method takes the place the
// value goes to; what stands there when it is declared is the default.
type Group struct {
	set   *Set
	title string
}

// Text declares a string; unit says what it looks like, for the manual.
func (g Group) Text(p *string, name, unit, help string) {
	g.set.declare(g.title, name, unit, help, (*text)(p))
}

// Secret declares a string that is never shown.
func (g Group) Secret(p *string, name, help string) {
	g.set.declare(g.title, name, "text", help, (*text)(p)).secret = true
}

// Bool declares a switch.
func (g Group) Bool(p *bool, name, help string) {
	g.set.declare(g.title, name, "true|false", help, (*boolean)(p))
}

// Int declares a whole number, not negative.
func (g Group) Int(p *int, name, unit, help string) {
	g.set.declare(g.title, name, unit, help, (*integer)(p))
}

// Duration declares a length of time.
func (g Group) Duration(p *time.Duration, name, help string) {
	g.set.declare(g.title, name, "duration", help, (*duration)(p))
}

// Size declares a number of bytes.
func (g Group) Size(p *int64, name, help string) {
	g.set.declare(g.title, name, "size", help, (*size)(p))
}

// Choice declares one word out of several.
func (g Group) Choice(p *string, name string, choices []string, help string) {
	g.set.declare(g.title, name, strings.Join(choices, "|"), help, &choice{p, choices})
}

// Strings declares a list: a flag given several times, commas elsewhere, a
// sequence in the file.
func (g Group) Strings(p *[]string, name, unit, help string) {
	g.set.declare(g.title, name, unit+",...", help, (*texts)(p))
}

// Pairs declares a map from names to texts: NAME=TEXT, separated by commas or
// given several times, a mapping in the file.
func (g Group) Pairs(p *map[string]string, name, unit, help string) {
	g.set.declare(g.title, name, unit+",...", help, (*pairs)(p))
}

type (
	text     string
	boolean  bool
	integer  int
	duration time.Duration
	size     int64
	texts    []string
	pairs    map[string]string
	choice   struct {
		p       *string
		choices []string
	}
)

func (v *text) bool() bool     { return false }
func (v *boolean) bool() bool  { return true }
func (v *integer) bool() bool  { return false }
func (v *duration) bool() bool { return false }
func (v *size) bool() bool     { return false }
func (v *texts) bool() bool    { return false }
func (v *pairs) bool() bool    { return false }
func (v *choice) bool() bool   { return false }

// only returns the one text a scalar may be given.
func only(given []string) (string, error) {
	if len(given) != 1 {
		return "", fmt.Errorf("takes one value, got %d", len(given))
	}
	return given[0], nil
}

func (v *text) set(given []string) error {
	one, err := only(given)
	if err == nil {
		*v = text(one)
	}
	return err
}
func (v *text) text() string { return string(*v) }

func (v *boolean) set(given []string) error {
	one, err := only(given)
	if err != nil {
		return err
	}
	b, err := strconv.ParseBool(one)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", one)
	}
	*v = boolean(b)
	return nil
}
func (v *boolean) text() string { return strconv.FormatBool(bool(*v)) }

func (v *integer) set(given []string) error {
	one, err := only(given)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(one)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is no whole number", one)
	}
	*v = integer(n)
	return nil
}
func (v *integer) text() string { return strconv.Itoa(int(*v)) }

func (v *duration) set(given []string) error {
	one, err := only(given)
	if err != nil {
		return err
	}
	d, err := ParseDuration(one)
	*v = duration(d)
	return err
}
func (v *duration) text() string { return FormatDuration(time.Duration(*v)) }

func (v *size) set(given []string) error {
	one, err := only(given)
	if err != nil {
		return err
	}
	n, err := ParseSize(one)
	*v = size(n)
	return err
}
func (v *size) text() string { return FormatSize(int64(*v)) }

func (v *choice) set(given []string) error {
	one, err := only(given)
	if err != nil {
		return err
	}
	if !slices.Contains(v.choices, one) {
		return fmt.Errorf("%q is none of %s", one, strings.Join(v.choices, ", "))
	}
	*v.p = one
	return nil
}
func (v *choice) text() string { return *v.p }

func (v *texts) set(given []string) error {
	*v = nil
	for _, one := range given {
		for item := range strings.SplitSeq(one, ",") {
			if item = strings.TrimSpace(item); item != "" {
				*v = append(*v, item)
			}
		}
	}
	return nil
}
func (v *texts) text() string { return strings.Join(*v, ",") }

func (v *pairs) set(given []string) error {
	all := map[string]string{}
	for _, one := range given {
		for item := range strings.SplitSeq(one, ",") {
			name, value, ok := strings.Cut(strings.TrimSpace(item), "=")
			if !ok || name == "" {
				return fmt.Errorf("%q is not NAME=VALUE", item)
			}
			if _, twice := all[name]; twice {
				return fmt.Errorf("%s is given twice", name)
			}
			all[name] = value
		}
	}
	*v = all
	return nil
}

func (v *pairs) text() string {
	all := make([]string, 0, len(*v))
	for name, value := range *v {
		all = append(all, name+"="+value)
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}
