package xmltree

import (
	"strings"
	"testing"
)

const shop = `<?xml version="1.0"?>
<!-- stock --><produce xmlns:p="urn:price" day="mon">
  <item id="1"><name expired="true">Gala</name><count>20</count><p:cost p:unit="kg">1.5</p:cost></item>
  <item id="2"><name expired="false">Honey &amp; crisp</name><count>10</count></item>
  <note xml:lang="en-GB"><![CDATA[a < b]]></note><empty/><open></open>
</produce>`

func ask(t *testing.T, xml, q string) string {
	t.Helper()
	d, err := Parse(xml)
	if err != nil {
		t.Fatal(err)
	}
	steps := 100000
	v, err := d.Query(q, &steps)
	if err != nil {
		return "error: " + err.Error()
	}
	nodes, ok := v.([]*Node)
	if !ok {
		return toText(v)
	}
	var all []string
	for _, n := range nodes {
		all = append(all, n.Content())
	}
	return strings.Join(all, "|")
}

func TestQueries(t *testing.T) {
	for q, want := range map[string]string{
		"sum(/produce/item/count)": "30", "//name[@expired]": "Gala|Honey & crisp", "//name[@expired = 'true']": "Gala",
		"/produce/item/name[1]": "Gala|Honey & crisp", "(/produce/item/name)[1]": "Gala", "/produce/item[2]/name/text()": "Honey & crisp",
		"//item[last()]/@id": "2", "//item[position() = 1]/@id": "1", "count(//item[count > 15])": "1", "//p:cost": "1.5", "//p:cost/@p:unit": "kg", "//p:*": "1.5",
		"/*[local-name()='produce']/*[local-name()='note']": "a < b", "string(//name)": "Gala", "concat(//item[1]/@id, '-', //item[2]/@id)": "1-2",
		"name(/*)": "produce", "namespace-uri(//*[local-name()='cost'])": "urn:price", "boolean(//missing)": "false", "not(//missing)": "true", "number(//count) * 2 + 1": "41",
		"10 div 4": "2.5", "10 mod 4": "2", "-3 + 1": "-2", "2 * 3": "6", "1 = 1 and 2 > 3 or true()": "true", "substring('12345', 2, 3)": "234", "substring('12345', 1.5, 2.6)": "234",
		"substring-before('a=b', '=')": "a", "substring-after('a=b', '=')": "b", "translate('bar', 'abc', 'AB')": "BAr", "normalize-space('  a   b ')": "a b", "string-length('äb')": "2",
		"round(2.5)": "3", "floor(-1.5)": "-2", "ceiling(1.2)": "2", "//item[1]/following-sibling::item/@id": "2", "//item[2]/preceding-sibling::*/@id": "1", "//count/ancestor::item/@id": "1|2",
		"//name | //note": "Gala|Honey & crisp|a < b", "//comment()": " stock ", "//note[lang('en')]": "a < b", "/produce/@*": "mon", "//count/..": "Gala201.5|Honey & crisp10", "count(//node())": "18",
		"//item[name='Gala']/count": "20", "//*[@id][2]": "Honey & crisp10", "//item[@id='1' or @id='2'][2]/@id": "2", "count(/produce/item/following::*)": "6", "//note/preceding::count[1]": "10", ".": "Gala201.5Honey & crisp10a < b",
	} {
		if got := ask(t, shop, q); got != want {
			t.Errorf("%s: %q, wants %q", q, got, want)
		}
	}
	for _, q := range []string{"", "//", "/produce[", "foo()", "$x", "'open", "x:y", "1 +", "bar::x", "count(1)", "concat('a')", "a b", "#", strings.Repeat("(", 200) + "1", strings.Repeat("a", queryMax+1)} {
		if got := ask(t, shop, q); !strings.HasPrefix(got, "error: ") {
			t.Errorf("%s: %q, wants an error", q, got)
		}
	}
}

func TestQueriesEnd(t *testing.T) {
	d, err := Parse("<a>" + strings.Repeat("<b><c/></b>", 2000) + "</a>")
	if err != nil {
		t.Fatal(err)
	}
	steps := 100_000
	if _, err := d.Query("//*[//*[//*[//*]]]", &steps); err != ErrSteps {
		t.Errorf("%v, wants %v", err, ErrSteps)
	}
}

func TestDocumentsComeOutAsTheyWentIn(t *testing.T) {
	for _, s := range []string{
		`<?xml version="1.0"?><a b="1" c="&quot;x&quot;">t&amp;<d /><e></e><!-- c --><?p i?><![CDATA[<]]></a>`,
		`<x:a xmlns:x="urn:x" xmlns="urn:d"><b x:c="1" /></x:a>`,
	} {
		d, err := Parse(s)
		if err != nil || d.String() != s {
			t.Errorf("%s came out as %v, %v", s, d, err)
		}
	}
	d, _ := Parse(`<x:a xmlns:x="urn:x" xmlns="urn:d" xmlns:y="urn:y"><b><x:c /></b></x:a>`)
	if got, want := d.Root().Children[0].String(), `<b xmlns="urn:d" xmlns:x="urn:x"><x:c /></b>`; got != want {
		t.Errorf("alone: %s, wants %s", got, want)
	}
}

func TestBadDocumentsAreRefused(t *testing.T) {
	for _, s := range []string{"", "text", "<a>", "<a></b>", "<a/><b/>", "<a><x:b/></a>", "<a b='1' b='2'/>", "<a>&unknown;</a>", "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "<a b=1/>", "</a>", "<a/>text",
		strings.Repeat("<a>", depthMax+1) + strings.Repeat("</a>", depthMax+1)} {
		if d, err := Parse(s); err == nil {
			t.Errorf("%.60s was read as %v", s, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(shop, "//item[@id='1']")
	f.Add("<a/>", "sum(//a) + 1")
	f.Fuzz(func(t *testing.T, s, q string) {
		d, err := Parse(s)
		if err != nil {
			return
		}
		if _, err := Parse(d.String()); err != nil {
			t.Errorf("%q is written as %q, which can not be read: %v", s, d.String(), err)
		}
		steps := 10000
		_, _ = d.Query(q, &steps)
	})
}
