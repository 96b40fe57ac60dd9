package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"weir/internal/settings"
	"weir/operate/plan/core"
)

const (
	estateBytesMax  = 1 << 20
	flowsMax        = 1000
	componentsMax   = 32
	currencyDefault = "EUR"
)

// usual are availabilities that providers usually promise for one region: a beginning for
// who has neither measured nor looked up what holds for him.
var usual = map[string]float64{
	"api-management": 99.95, "event-grid": 99.99, "event-hubs": 99.95, "functions": 99.95, "identity": 99.99, "key-vault": 99.99,
	"logic-apps": 99.9, "service-bus": 99.9, "sql-database": 99.99, "storage": 99.9,
}

// example is a file of an estate, for the help.
const example = `components:
  gateway:  {availability: api-management}
  bus:      {availability: 99.9}
  invoices: {availability: 99.99, where: west}       # only west has it
  dns:      {availability: 99.99, where: common}     # fails for both at once
flows:
- name: order to invoice
  group: orders                                      # or units: [orders]
  entities: [orders/incoming, orders/events/billing]
  path: [gateway, bus, invoices, dns]                # or paths: [[...], [...]], any of which will do
  rpo: 5s
  rto: 1m
  costPerHour: 311000
  currency: EUR
  strategy: multi                                    # single, decoupled, multi, or criticality
  reviewed: 2026-10-01
  ordered: true                                      # messages must stay in order
  once: true                                         # a message must not take effect twice
  availability: 99.95                                # wanted
`

// estateFile is the file as it is written.
type estateFile struct {
	Components map[string]component `yaml:"components"`
	Flows      []flow               `yaml:"flows"`
}

type component struct {
	Name         string `yaml:"name"`
	Availability string `yaml:"availability"` // percent, or a name of usual
	Where        string `yaml:"where"`
}

// step is a component in a path: declared there, or named.
type step struct {
	component
	named bool
}

// UnmarshalYAML takes a name or a component.
func (s *step) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		s.Name, s.named = n.Value, true
		return nil
	}
	return n.Decode(&s.component)
}

type flow struct {
	Name         string   `yaml:"name"`
	Group        string   `yaml:"group"`
	Units        []string `yaml:"units"`
	Entities     []string `yaml:"entities"`
	Path         []step   `yaml:"path"`
	Paths        [][]step `yaml:"paths"`
	RPO          string   `yaml:"rpo"`
	RTO          string   `yaml:"rto"`
	CostPerHour  float64  `yaml:"costPerHour"`
	Currency     string   `yaml:"currency"`
	Strategy     string   `yaml:"strategy"`
	Criticality  string   `yaml:"criticality"`
	Reviewed     string   `yaml:"reviewed"`
	Ordered      bool     `yaml:"ordered"`
	Once         bool     `yaml:"once"`
	Availability float64  `yaml:"availability"`
}

// readEstate reads the flows in a file; every mistake is told. places are the locations a
// component may be in.
func readEstate(name string, places []string) ([]core.Flow, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the estate (--estate): %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, estateBytesMax))
	if err != nil {
		return nil, fmt.Errorf("the estate (--estate): %w", err)
	}
	flows, err := parseEstate(data, places)
	if err != nil {
		return nil, fmt.Errorf("the estate in %s can not be used:\n  %s", name, strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	return flows, nil
}

func parseEstate(data []byte, places []string) ([]core.Flow, error) {
	var file estateFile
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.New(strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "in type plan.", "in a "))
	}
	if len(file.Flows) > flowsMax {
		return nil, fmt.Errorf("it has %d flows, more than %d", len(file.Flows), flowsMax)
	}
	r := &reading{file: file, places: places}
	var all []core.Flow
	names := map[string]bool{}
	for i, f := range file.Flows {
		if f.Name == "" {
			r.wrong("flow %d has no name", i+1)
			continue
		}
		if names[f.Name] {
			r.wrong("the flow %q is there twice", f.Name)
		}
		names[f.Name] = true
		all = append(all, r.flow(f))
	}
	return all, errors.Join(r.errs...)
}

// reading gathers the mistakes in a file.
type reading struct {
	file   estateFile
	places []string
	errs   []error
}

func (r *reading) wrong(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

func (r *reading) flow(f flow) core.Flow {
	c := core.Flow{
		Name: f.Name, Group: f.Group, Units: f.Units, Entities: f.Entities, RPO: r.duration(f.Name, "rpo", f.RPO), RTO: r.duration(f.Name, "rto", f.RTO),
		CostPerHour: f.CostPerHour, Currency: f.Currency, Strategy: strings.ToLower(f.Strategy), Criticality: f.Criticality,
		Ordered: f.Ordered, Once: f.Once, Target: f.Availability,
	}
	if c.CostPerHour > 0 && c.Currency == "" {
		c.Currency = currencyDefault
	}
	if f.CostPerHour < 0 || f.Availability < 0 || f.Availability > 100 {
		r.wrong("the flow %q: costPerHour is not below 0, and availability is a percentage", f.Name)
	}
	if f.Reviewed != "" {
		day, err := time.Parse(time.DateOnly, f.Reviewed)
		if err != nil {
			r.wrong("the flow %q: reviewed is a day, as 2026-10-01, not %q", f.Name, f.Reviewed)
		}
		c.Reviewed = day
	}
	paths := f.Paths
	if len(f.Path) > 0 {
		if len(paths) > 0 {
			r.wrong("the flow %q has a path and paths: write one of them", f.Name)
		}
		paths = [][]step{f.Path}
	}
	for _, path := range paths {
		if len(path) > componentsMax {
			r.wrong("the flow %q has a path of %d components, more than %d", f.Name, len(path), componentsMax)
		}
		var of []core.Component
		for _, s := range path {
			of = append(of, r.component(f.Name, s))
		}
		c.Paths = append(c.Paths, of)
	}
	return c
}

func (r *reading) duration(flow, what, text string) *time.Duration {
	if text == "" {
		return nil
	}
	if text == "0" {
		text = "0s"
	}
	d, err := settings.ParseDuration(text)
	if err != nil {
		r.wrong("the flow %q: %s: %w", flow, what, err)
	}
	return &d
}

func (r *reading) component(flow string, s step) core.Component {
	one := s.component
	if s.named {
		known, ok := r.file.Components[s.Name]
		if !ok {
			r.wrong("the flow %q goes through %q, which is not among the components", flow, s.Name)
		}
		one = known
		one.Name = s.Name
	}
	c := core.Component{Name: one.Name, Where: one.Where}
	if c.Where == "" {
		c.Where = core.Both
	}
	if c.Where != core.Both && c.Where != core.Common && !slices.Contains(r.places, c.Where) {
		r.wrong("the component %q of the flow %q is in %q: write both, common, or one of the locations, %s", c.Name, flow, c.Where, strings.Join(r.places, ", "))
	}
	if figure, ok := usual[one.Availability]; ok {
		c.Availability, c.Source = figure, "what providers usually promise for "+one.Availability+", not measured"
		return c
	}
	percent, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(one.Availability, "%")), 64)
	if err != nil || percent <= 0 || percent > 100 {
		r.wrong("the component %q of the flow %q: availability is a percentage as 99.95, or one of %s", c.Name, flow, strings.Join(usualNames(), ", "))
	}
	c.Availability, c.Source = percent, "declared"
	return c
}

func usualNames() []string {
	names := make([]string, 0, len(usual))
	for name := range usual {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
