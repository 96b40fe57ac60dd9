package expression

import (
	"strings"
	"testing"
)

// The common expressions of definitions, by how often they are written.
func BenchmarkCommon(b *testing.B) {
	for _, text := range []string{
		"@parameters('age')",
		"@body('Get')?['value']",
		"@triggerBody()?['Mixed']?['Case']",
		"@{variables('v')}",
		"https://example.com/@{variables('v')}/items/@{triggerBody()?['id']}",
		"@items('Loop')",
		"@outputs('Get')?['body/value']",
		"@length(body('Get')?['value'])",
		"@encodeURIComponent(variables('v'))",
		"@concat('a', variables('v'), 'b')",
		"@equals(triggerBody()?['id'], 7)",
		"@if(equals(variables('i'), 1), 'one', 'other')",
		"@and(greater(variables('i'), 0), not(empty(variables('v'))))",
		"@first(body('Get')?['value'])?['n']",
		"@utcNow()",
		"@formatDateTime('2018-03-15T13:27:36Z', 'yyyy-MM-dd')",
		"@addDays('2018-03-15T13:27:36Z', 1)",
		"@json('{\"a\":1}')",
		"@guid()",
		"@replace(variables('v'), 't', 'd')",
		"@split('a,b,c', ',')",
		"@substring(variables('v'), 0, 2)",
		"@string(body('Get'))",
	} {
		b.Run(text, func(b *testing.B) {
			t, problems := Parse(text)
			if problems != nil {
				b.Fatal(problems)
			}
			w := newWorld(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := t.Eval(w, Budget{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := Parse("@if(equals(triggerBody()?['id'], 7), concat('a', variables('v')), body('Get')?['value'][0])"); problems != nil {
			b.Fatal(problems)
		}
	}
}

// BenchmarkJSON is a body of 1,000 orders, read and written.
func BenchmarkJSON(b *testing.B) {
	text := "[" + strings.Repeat(`{"id":12345,"name":"Sophia Owen","total":17.35,"lines":[{"sku":"A-1","n":2},{"sku":"B-2","n":1}],"open":true},`, 999) + "null]"
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		v, err := ParseJSON(text)
		if err != nil {
			b.Fatal(err)
		}
		AppendJSON(nil, v)
	}
}
