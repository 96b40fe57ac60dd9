package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
)

// tally is what came of all definitions.
type tally struct {
	categories map[string]*row
	refused    map[string]int // errors of invalid ones, by code
	wrong      []string
	doubted    []string // judged otherwise than marked, with the reason
	settled    []string // doubted without need
}

// row is one line of the table; doubted definitions are in none of its other figures.
type row struct{ doubted, valid, loaded, invalid, refused, rightly, unmarked, unmarkedRefused int }

func judge(entries []entry, reports map[string]report) *tally {
	t := &tally{categories: map[string]*row{}, refused: map[string]int{}}
	marks, doubts := labelled(entries), doubts()
	for _, e := range entries {
		c := t.categories[e.Category]
		if c == nil {
			c = &row{}
			t.categories[e.Category] = c
		}
		r, found := reports[e.File]
		if !found {
			r = report{File: e.File, Problems: []problem{{Code: "no-definition", Severity: "error", Message: "nothing was found in the file"}}}
		}
		valid, known, reason := e.marked(marks)
		if why, doubted := doubts[e.Path]; doubted && known {
			if r.Valid != valid {
				c.doubted++
				t.doubted = append(t.doubted, fmt.Sprintf("%s: %s", e.Path, why))
				continue
			}
			t.settled = append(t.settled, e.Path)
		}
		switch {
		case !known:
			c.unmarked++
			if !r.Valid {
				c.unmarkedRefused++
			}
		case valid:
			c.valid++
			if r.Valid {
				c.loaded++
			} else {
				t.wrong = append(t.wrong, fmt.Sprintf("valid, but refused: %s (%s)\n    %s", e.File, e.Path, first(r)))
			}
		default:
			c.invalid++
			for code := range codes(r) {
				t.refused[code]++
			}
			if !r.Valid {
				c.refused++
			}
			if right(reason, r) {
				c.rightly++
			} else {
				t.wrong = append(t.wrong, fmt.Sprintf("invalid, but %s: %s (%s)", said(r), e.File, e.Path))
			}
		}
	}
	return t
}

func codes(r report) map[string]bool {
	all := map[string]bool{}
	for _, p := range r.Problems {
		if p.Severity == "error" {
			all[p.Code] = true
		}
	}
	return all
}

func said(r report) string {
	if r.Valid {
		return "not refused"
	}
	return "refused for another reason: " + first(r)
}

// first is the first error, and how many there are.
func first(r report) string {
	text, n := "", 0
	for _, p := range r.Problems {
		if p.Severity == "error" {
			if n++; n == 1 {
				text = fmt.Sprintf("%s at %s: %s", p.Code, p.Path, p.Message)
			}
		}
	}
	if n > 1 {
		text += fmt.Sprintf(" (and %d more)", n-1)
	}
	return text
}

func (t *tally) total() row {
	var sum row
	for _, c := range t.categories {
		sum.doubted += c.doubted
		sum.valid += c.valid
		sum.loaded += c.loaded
		sum.invalid += c.invalid
		sum.refused += c.refused
		sum.rightly += c.rightly
		sum.unmarked += c.unmarked
		sum.unmarkedRefused += c.unmarkedRefused
	}
	return sum
}

// good reports whether the goals are met.
func (t *tally) good() bool {
	sum := t.total()
	return len(t.settled) == 0 && sum.loaded == sum.valid && sum.rightly*10 >= sum.invalid*9
}

func (t *tally) print(w io.Writer, verbose bool) {
	fmt.Fprintf(w, "%-16s %16s %16s %16s %22s %8s\n", "category", "valid, loaded", "invalid, refused", "for the reason", "not marked, refused", "doubted")
	line := func(name string, r row) {
		fmt.Fprintf(w, "%-16s %7d %8d %7d %8d %16d %13d %8d %8d\n", name, r.valid, r.loaded, r.invalid, r.refused, r.rightly, r.unmarked, r.unmarkedRefused, r.doubted)
	}
	for _, name := range slices.Sorted(maps.Keys(t.categories)) {
		line(name, *t.categories[name])
	}
	sum := t.total()
	line("all", sum)
	fmt.Fprintf(w, "\nload rate %.2f %%, refused %.1f %%, for the right reason %.1f %%\n", share(sum.loaded, sum.valid), share(sum.refused, sum.invalid), share(sum.rightly, sum.invalid))
	fmt.Fprintln(w, "\nwhy invalid ones are refused (definitions with at least one such error):")
	names := slices.Collect(maps.Keys(t.refused))
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(t.refused[b]-t.refused[a], cmp.Compare(a, b)) })
	for _, name := range names {
		fmt.Fprintf(w, "%6d %s\n", t.refused[name], name)
	}
	for _, path := range t.settled {
		fmt.Fprintf(w, "\ndoubts.txt doubts %s without need: take it off\n", path)
	}
	if !verbose {
		fmt.Fprintf(w, "\n%d are judged otherwise than marked, and %d whose mark is doubted; -v lists them\n", len(t.wrong), len(t.doubted))
		return
	}
	fmt.Fprintln(w)
	for _, s := range t.wrong {
		fmt.Fprintln(w, s)
	}
	for _, s := range t.doubted {
		fmt.Fprintln(w, "doubted:", s)
	}
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 100
	}
	return 100 * float64(part) / float64(whole)
}

// stored are the mistakes that the cloud stores all the same, so that a warning names them.
var stored = []string{"parameter-missing"}

func warned(r report, code string) bool {
	return slices.Contains(stored, code) && slices.ContainsFunc(r.Problems, func(p problem) bool { return p.Code == code })
}

// printSpoiled says for each mistake in how many definitions it was made and named,
// and reports whether it always was.
func printSpoiled(w io.Writer, made map[string]spoiler, reports map[string]report, verbose bool) bool {
	count, named := map[string]int{}, map[string]int{}
	var missed []string
	for _, file := range slices.Sorted(maps.Keys(made)) {
		s := made[file]
		count[s.name]++
		if codes(reports[file])[s.code] || warned(reports[file], s.code) {
			named[s.name]++
		} else {
			missed = append(missed, fmt.Sprintf("%s: not named (%s) in %s: %s", s.name, s.code, file, first(reports[file])))
		}
	}
	fmt.Fprintf(w, "\n%-46s %6s %6s\n", "mistake", "made", "named")
	for _, s := range spoilers {
		fmt.Fprintf(w, "%-46s %6d %6d\n", s.name, count[s.name], named[s.name])
	}
	fmt.Fprintf(w, "%-46s %6d %6d\n", "all", len(made), len(made)-len(missed))
	if verbose {
		for _, line := range missed {
			fmt.Fprintln(w, line)
		}
	}
	return len(missed) == 0
}
