package rights

import "strings"

// pattern is an action with stars in it, cut at them.
type pattern struct {
	head, tail string
	middle     []string
	exact      bool // no star: head is all
}

func patterns(texts []string) []pattern {
	var all []pattern
	for _, text := range texts {
		all = append(all, newPattern(text))
	}
	return all
}

func newPattern(text string) pattern {
	parts := strings.Split(strings.ToLower(text), "*")
	if len(parts) == 1 {
		return pattern{head: parts[0], exact: true}
	}
	last := len(parts) - 1
	p := pattern{head: parts[0], tail: parts[last]}
	for _, m := range parts[1:last] {
		if m != "" {
			p.middle = append(p.middle, m)
		}
	}
	return p
}

// match compares with an action in lower case.
func (p *pattern) match(action string) bool {
	if p.exact {
		return action == p.head
	}
	if len(action) < len(p.head)+len(p.tail) || !strings.HasPrefix(action, p.head) || !strings.HasSuffix(action, p.tail) {
		return false
	}
	action = action[len(p.head) : len(action)-len(p.tail)]
	for _, m := range p.middle { // the leftmost place leaves most for the next
		at := strings.Index(action, m)
		if at < 0 {
			return false
		}
		action = action[at+len(m):]
	}
	return true
}

func anyMatch(list []pattern, action string) bool {
	for i := range list {
		if list[i].match(action) {
			return true
		}
	}
	return false
}
