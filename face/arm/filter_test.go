package arm

import (
	"strings"
	"testing"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

func TestFilter(t *testing.T) {
	d := resource.Document{ID: resource.MustID(shop), Location: "west", Tags: map[string]string{"Env": "prod", "team": "blue"}}
	q := &request{listed: group}
	for text, want := range map[string]bool{
		"":                                                  true,
		"name eq 'Corner'":                                  true,
		"name ne 'corner'":                                  false,
		"resourceType eq 'test.shop/shops'":                 true,
		"resourceGroup eq 'G' and name eq 'x'":              false,
		"resourceGroup eq 'G' or name eq 'x'":               true,
		"not (name eq 'x') and location eq 'west'":          true,
		"not name eq 'corner'":                              false,
		"name eq 'x' or name eq 'y' or name eq 'corner'":    true,
		"name eq 'x' and name eq 'y' or name eq 'corner'":   true,
		"name eq 'x' and (name eq 'y' or name eq 'corner')": false,
		"tagName eq 'env' and tagValue eq 'prod'":           true,
		"tagName eq 'env' and tagValue eq 'blue'":           false,
		"tagValue eq 'blue' and tagName eq 'team'":          true,
		"tagName eq 'env'":                                  true,
		"tagValue eq 'red'":                                 false,
		"startswith(tagName, 'te')":                         true,
		"substringof('orn', name)":                          true,
		"startswith(name,'CO')":                             true,
		"endswith(name,'x')":                                false,
		"contains(name,'rne')":                              true,
		"atScope()":                                         true,
		"name eq 'it''s'":                                   false,
		"  name   eq  'corner'  ":                           true,
	} {
		f, err := parseFilter(text)
		if err != nil || f.matches(d, q) != want {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"colour eq 'red'":                `"colour" is none of them`,
		"name":                           "expected eq or ne",
		"name gt 'a'":                    "at gt, expected eq or ne",
		"name eq red":                    "in single quotes",
		"name eq 'red":                   "in single quotes",
		"(name eq 'a'":                   "a closing parenthesis",
		"name eq 'a' name eq 'b'":        "expected the end, and or or",
		"atScope":                        "atScope()",
		"startswith(name)":               "a comma",
		"substringof(name,'x')":          "a comma",
		"name eq 'a' and":                "is none of them",
		strings.Repeat("(", 30) + "x":    "parentheses",
		strings.Repeat("not ", 30) + "x": "parentheses",
		"name eq '" + strings.Repeat("x", 3000) + "'": "longer than",
	} {
		if _, err := parseFilter(text); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Sentence(err), want) {
			t.Errorf("%.40s: %v, want %q", text, err, want)
		}
	}
}

// FuzzFilter: whatever a stranger writes is a filter that answers, or a refusal.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"name eq 'a' and not (tagName eq 'b' or startswith(name,'c''d'))", "substringof('x', resourceType)", "((", "'", "atScope()"} {
		f.Add(seed)
	}
	d := resource.Document{ID: resource.MustID(shop)}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseFilter(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		parsed.matches(d, &request{})
	})
}
