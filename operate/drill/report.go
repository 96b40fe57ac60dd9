package drill

import (
	"fmt"
	"html/template"
	"io"
	"text/tabwriter"
	"time"

	"weir/operate/evidence"
)

// Text writes a record for a terminal.
func Text(out io.Writer, r *evidence.Record) error {
	fmt.Fprintf(out, "drill of the group %s, %s, %s to %s and back, %s\n\n", r.Group, r.Kind, r.From, r.To, r.Began.Local().Format("2006-01-02 15:04:05"))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range figures(r) {
		fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, i := range r.Invariants {
		fmt.Fprintf(out, "%s  %s (%s)\n", mark(i), i.What, i.Was)
	}
	return nil
}

func mark(i evidence.Invariant) string {
	if i.Held {
		return "held  "
	}
	return "BROKEN"
}

// figures are what was measured, each with its name.
func figures(r *evidence.Record) [][2]string {
	a := r.Account
	rto := fmt.Sprintf("%.2f s", r.RTOSeconds)
	if r.TermTo == 0 { // nobody took over
		rto = "at least " + rto
	}
	rows := [][2]string{
		{"mode", r.Mode},
		{"terms", fmt.Sprintf("%d to %d", r.TermFrom, r.TermTo)},
		{"noticed after", fmt.Sprintf("%.2f s", r.DetectionSeconds)},
		{"clients saw no acknowledged send for (RTO)", rto},
		{"acknowledged orders missing until the salvage (RPO)", fmt.Sprint(r.RPOMessages)},
		{"lost in the end", fmt.Sprint(a.Lost)},
		{"orders acknowledged, processed", fmt.Sprintf("%d, %d", a.Acknowledged, a.Processed)},
		{"delivered again after completion", fmt.Sprint(a.Repeated)},
		{"delivered again before completion", fmt.Sprint(a.Redelivered)},
		{"came as two messages", fmt.Sprint(a.Twice)},
	}
	if c := r.Change; c != nil {
		for _, s := range c.Steps {
			rows = append(rows, [2]string{"step: " + s.Name, fmt.Sprintf("%.3f s", s.Seconds)})
		}
	}
	return rows
}

// Size of the picture, in its own units.
const (
	width, height = 900, 220
	left, bottom  = 40, 190
)

// picture is the timeline as the page draws it.
type picture struct {
	In, Out string // points of the two lines
	Marks   []pictureMark
	Seconds []pictureMark
	Top     int // the largest slice
}

type pictureMark struct {
	X, Y  float64
	Label string
	Shift int // rows down, so that labels do not lie on each other
}

// draw makes the picture of a record.
func draw(r *evidence.Record) picture {
	p := picture{Top: 1}
	for _, s := range r.Slices {
		p.Top = max(p.Top, s.In, s.Out)
	}
	span := max(r.Ended.Sub(r.Began), time.Second)
	x := func(at time.Duration) float64 { return left + float64(at)/float64(span)*(width-left-10) }
	y := func(n int) float64 { return bottom - float64(n)/float64(p.Top)*(bottom-60) }
	for i, s := range r.Slices {
		at := time.Duration(i) * time.Duration(r.SliceMs) * time.Millisecond
		p.In += fmt.Sprintf("%.1f,%.1f ", x(at), y(s.In))
		p.Out += fmt.Sprintf("%.1f,%.1f ", x(at), y(s.Out))
	}
	for i, e := range r.Events {
		p.Marks = append(p.Marks, pictureMark{X: x(e.At.Sub(r.Began)), Label: fmt.Sprint(i + 1), Shift: i % 3})
	}
	step := time.Duration(max(1, int(span.Seconds())/10)) * time.Second
	for at := time.Duration(0); at <= span; at += step {
		p.Seconds = append(p.Seconds, pictureMark{X: x(at), Label: fmt.Sprintf("%.0f s", at.Seconds())})
	}
	return p
}

// HTML writes the one-page report: self-contained, with the timeline as a picture.
func HTML(out io.Writer, r *evidence.Record, signer string) error {
	return page.Execute(out, map[string]any{
		"R": r, "P": draw(r), "Figures": figures(r), "Signer": signer, "Good": r.Good(),
		"W": width, "H": height, "Left": left, "Bottom": bottom,
		"Since": func(at time.Time) string { return fmt.Sprintf("%.2f s", at.Sub(r.Began).Seconds()) },
	})
}

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"row":  func(n int) int { return 14 + 13*n },
	"inc":  func(n int) int { return n + 1 },
	"when": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"since": func(from, at time.Time) string {
		return fmt.Sprintf("%.2f s", at.Sub(from).Seconds())
	},
}).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Drill of {{.R.Group}}, {{when .R.Began}}</title>
<style>
body{font:15px/1.4 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.4rem;margin-bottom:.2rem} table{border-collapse:collapse;margin:1rem 0} td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}
.held{color:#176b2c}.broken{color:#b00020;font-weight:bold} svg{width:100%;height:auto;border:1px solid #ddd} small{color:#666}
</style></head><body>
<h1>Drill of the group {{.R.Group}}: {{.R.Kind}}, {{.R.From}} to {{.R.To}} and back</h1>
<p>{{when .R.Began}} to {{when .R.Ended}}, run from {{.R.Host}} with Weir {{.R.Version}}. {{if .Good}}<span class="held">Everything held.</span>{{else}}<span class="broken">Not everything held.</span>{{end}}</p>
<svg viewBox="0 0 {{.W}} {{.H}}" role="img" aria-label="Acknowledged sends and deliveries over time">
<line x1="{{.Left}}" y1="{{.Bottom}}" x2="{{.W}}" y2="{{.Bottom}}" stroke="#999"/>
{{range .P.Seconds}}<text x="{{printf "%.1f" .X}}" y="205" font-size="10" fill="#666" text-anchor="middle">{{.Label}}</text>{{end}}
<text x="4" y="64" font-size="10" fill="#666">{{.P.Top}}</text>
<polyline points="{{.P.Out}}" fill="none" stroke="#d08a00" stroke-width="1.5"/>
<polyline points="{{.P.In}}" fill="none" stroke="#1f5fa8" stroke-width="1.5"/>
{{range .P.Marks}}<line x1="{{printf "%.1f" .X}}" y1="{{row .Shift}}" x2="{{printf "%.1f" .X}}" y2="190" stroke="#b00020" stroke-dasharray="2 3"/><text x="{{printf "%.1f" .X}}" y="{{row .Shift}}" font-size="11" fill="#b00020" text-anchor="middle">{{.Label}}</text>{{end}}
</svg>
<p><small>Each {{.R.SliceMs}} ms: <span style="color:#1f5fa8">acknowledged sends</span>, <span style="color:#d08a00">deliveries</span>. The numbers are the events below.</small></p>
<table>{{range .Figures}}<tr><td>{{index . 0}}</td><td>{{index . 1}}</td></tr>{{end}}</table>
<table><tr><th></th><th>what was to hold</th><th>what was measured</th></tr>
{{range .R.Invariants}}<tr><td>{{if .Held}}<span class="held">held</span>{{else}}<span class="broken">BROKEN</span>{{end}}</td><td>{{.What}}</td><td>{{.Was}}</td></tr>{{end}}</table>
<table><tr><th></th><th>after</th><th>event</th></tr>
{{$began := .R.Began}}{{range $i, $e := .R.Events}}<tr><td>{{inc $i}}</td><td>{{since $began $e.At}}</td><td>{{$e.What}}</td></tr>{{end}}</table>
<p><small>How the group is declared: {{.R.Config}}. Signed by the key {{.Signer}}; "weir drill verify" checks the record beside this page.</small></p>
</body></html>
`))
