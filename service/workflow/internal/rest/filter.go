package rest

import (
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/internal/host"
)

// filterTermsMax bounds a filter.
const filterTermsMax = 20

// runsFilter reads $filter of a list of runs: comparisons with "and" between them, and
// "or" between statuses.
//
//	status eq 'Failed' and startTime ge 2026-01-01T00:00:00Z
//	(status eq 'Failed' or status eq 'TimedOut') and trigger eq 'manual'
func runsFilter(text string) (q host.RunQuery, err error) {
	tokens, err := filterTokens(text)
	if err != nil {
		return q, err
	}
	f := &filter{tokens: tokens, q: &q}
	for len(f.tokens) > 0 {
		if err := f.group(); err != nil {
			return q, err
		}
		if len(f.tokens) > 0 && !f.word("and") {
			return q, badFilter("%q stands where 'and' was expected", f.tokens[0])
		}
	}
	return q, nil
}

type filter struct {
	tokens []string
	q      *host.RunQuery
	terms  int
}

func badFilter(format string, args ...any) error {
	return refuse(fault.Invalid, "InvalidFilterInQueryString", "The query parameter '$filter' cannot be read: "+format+". It compares status, startTime, trigger, clientTrackingId and originHistoryName, such as: status eq 'Failed' and startTime ge 2026-01-01T00:00:00Z.", args...)
}

func (f *filter) next() string {
	if len(f.tokens) == 0 {
		return ""
	}
	t := f.tokens[0]
	f.tokens = f.tokens[1:]
	return t
}

func (f *filter) word(w string) bool {
	if len(f.tokens) > 0 && strings.EqualFold(f.tokens[0], w) {
		f.tokens = f.tokens[1:]
		return true
	}
	return false
}

// group reads one comparison, or in brackets some of the status with "or" between them.
func (f *filter) group() error {
	brackets := f.word("(")
	for {
		name, op, value := f.next(), f.next(), f.next()
		if f.terms++; f.terms > filterTermsMax {
			return badFilter("it has more than %d comparisons", filterTermsMax)
		}
		if err := f.term(strings.ToLower(name), strings.ToLower(op), value); err != nil {
			return err
		}
		if !f.word("or") {
			break
		}
		if !strings.EqualFold(name, "status") || len(f.tokens) == 0 || !strings.EqualFold(f.tokens[0], "status") {
			return badFilter("'or' stands between comparisons of the status alone")
		}
	}
	if brackets && !f.word(")") {
		return badFilter("a bracket is not closed")
	}
	return nil
}

func (f *filter) term(name, op, value string) error {
	text, quoted := strings.CutPrefix(value, "'")
	text = strings.ReplaceAll(strings.TrimSuffix(text, "'"), "''", "'")
	if value == "" {
		return badFilter("it ends too early")
	}
	switch name {
	case "starttime", "properties/starttime":
		t, err := time.Parse(time.RFC3339Nano, strings.Trim(text, "'"))
		if err != nil {
			return badFilter("%q is no time", text)
		}
		switch op {
		case "ge":
			f.q.After = t
		case "gt":
			f.q.After = t.Add(time.Microsecond)
		case "lt":
			f.q.Until = t
		case "le":
			f.q.Until = t.Add(time.Microsecond)
		default:
			return badFilter("startTime takes ge, gt, le and lt, not %q", op)
		}
		return nil
	}
	if op != "eq" || !quoted {
		return badFilter("%s is compared with eq and a text in quotes", name)
	}
	switch name {
	case "status", "properties/status":
		all, ok := statusNamed(text)
		if !ok {
			return badFilter("there is no status %q", text)
		}
		f.q.Status = append(f.q.Status, all...)
	case "trigger", "triggername", "properties/trigger/name":
		f.q.Trigger = text
	case "clienttrackingid", "properties/correlation/clienttrackingid":
		f.q.Tracking = text
	case "originhistoryname", "origin":
		f.q.Origin = text
	default:
		return badFilter("there is nothing called %q to compare", name)
	}
	return nil
}

// filterTokens splits a filter: words, brackets, and texts in quotes, which keep theirs.
func filterTokens(text string) (all []string, err error) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		end := 0
		switch text[0] {
		case '(', ')':
			end = 1
		case '\'':
			for end = 1; ; end++ {
				if end >= len(text) {
					return nil, badFilter("a quote is not closed")
				}
				if text[end] == '\'' {
					if end+1 < len(text) && text[end+1] == '\'' {
						end++
						continue
					}
					end++
					break
				}
			}
		default:
			if end = strings.IndexAny(text, " ()'\t"); end < 0 {
				end = len(text)
			}
		}
		all = append(all, text[:end])
		text = text[end:]
	}
	return all, nil
}
