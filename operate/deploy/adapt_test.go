package deploy

import (
	"fmt"
	"strings"
	"testing"

	"weir/kernel/resource"
)

func TestAdapt(t *testing.T) {
	typ := &resource.Type{Name: "Test.Town/towers", Fields: []resource.Field{
		{Name: "isOpen", Kind: resource.Bool}, {Name: "height", Kind: resource.Int}, {Name: "opens", Kind: resource.Duration}, {Name: "label", Kind: resource.String},
		{Name: "state", Kind: resource.Enum, Values: []string{"Active", "Closed"}},
		{Name: "roof", Kind: resource.Object, Fields: []resource.Field{{Name: "flat", Kind: resource.Bool}}},
		{Name: "bells", Kind: resource.List, Element: &resource.Field{Name: "bell", Kind: resource.Int}},
	}}
	given := func() map[string]any {
		return map[string]any{
			"IsOpen": "True", "height": "12", "opens": "14.00:30:00", "label": int64(5), "state": "active", "path": "x",
			"roof": map[string]any{"Flat": "false", "red": true}, "bells": []any{"1", float64(2), "three"},
		}
	}
	m := given()
	unknown := adapt(typ, m, false)
	if got := strings.Join(unknown, " "); got != "properties.path properties.roof.red" {
		t.Errorf("unknown: %s", got)
	}
	if got, want := fmt.Sprint(m), "map[bells:[1 2 three] height:12 isOpen:true label:5 opens:P14DT30M path:x roof:map[flat:false red:true] state:Active]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	m = given()
	adapt(typ, m, true)
	if _, there := m["path"]; there || len(m["roof"].(map[string]any)) != 1 {
		t.Errorf("left in: %v", m)
	}
	for text, want := range map[string]string{"00:00:30": "PT30S", "00:01": "PT1M", "10675199.02:48:05.4775807": "P10675199DT2H48M5.4775807S", "00:00:00": "PT0S", "00:00:00.5": "PT0.5S", "PT1M": "PT1M", "soon": "soon"} {
		if got := duration(text); got != want {
			t.Errorf("%s = %s, want %s", text, got, want)
		}
	}
}
