package fire

import (
	"fmt"
	"time"

	"weir/internal/iso8601"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
	"weir/service/workflow/internal/schedule"
)

// Recurs computes the trigger's recurrence; false, it has none.
func (t *Trigger) Recurs(e *Env) (schedule.Spec, bool, *Verdict) {
	if !t.recurrence.given {
		return schedule.Spec{}, false, nil
	}
	v, failed := t.eval(t.scope(e, Input{}, 0), &t.recurrence, "recurrence")
	if failed != nil {
		return schedule.Spec{}, false, failed
	}
	return SpecOf(v), true, nil
}

// SpecOf reads an evaluated recurrence. What is no recurrence has no frequency, which
// schedule.Make refuses by name.
func SpecOf(v any) schedule.Spec {
	o, ok := v.(*expression.Object)
	if !ok {
		return schedule.Spec{}
	}
	s := schedule.Spec{Frequency: word(o, "frequency"), Interval: whole(o, "interval"), StartTime: word(o, "startTime"), EndTime: word(o, "endTime"), TimeZone: word(o, "timeZone")}
	x, _ := o.Get("schedule")
	plan, ok := x.(*expression.Object)
	if !ok {
		return s
	}
	s.Hours, s.Minutes, s.MonthDays = numbers(plan, "hours"), numbers(plan, "minutes"), numbers(plan, "monthDays")
	for _, day := range list(plan, "weekDays") {
		s.WeekDays = append(s.WeekDays, expression.Text(day))
	}
	for _, one := range list(plan, "monthlyOccurrences") {
		if nth, ok := one.(*expression.Object); ok {
			day := word(nth, "dayOfWeek")
			if day == "" {
				day = word(nth, "day")
			}
			s.Occurrences = append(s.Occurrences, schedule.Nth{Day: day, N: whole(nth, "occurrence")})
		}
	}
	return s
}

// Delay is how long after its end a sliding window is due, of inputs evaluated.
func Delay(inputs any) (time.Duration, error) {
	o, ok := inputs.(*expression.Object)
	if !ok {
		return 0, nil
	}
	text := word(o, "delay")
	if text == "" {
		return 0, nil
	}
	d, err := iso8601.Parse(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("the delay is %q; write an ISO 8601 duration such as PT15M", text)
	}
	return d.Std(), nil
}

// Batch is when the messages of one batch are let go.
type Batch struct {
	Name string
	// Messages and Bytes let go when so much is there; 0: they do not. Recurs, when
	// there is one, lets go of what is there at its times.
	Messages int
	Bytes    int64
	Recurs   *schedule.Spec
}

// Batches reads the batch configurations of a Batch trigger's inputs, evaluated. A
// trigger of mode IntegrationAccount has one without a name, when its criteria stand in
// the trigger itself.
func Batches(inputs any) []Batch {
	o, ok := inputs.(*expression.Object)
	if !ok {
		return nil
	}
	var all []Batch
	x, _ := o.Get("configurations")
	if configurations, ok := x.(*expression.Object); ok {
		for _, m := range configurations.Members {
			if c, ok := m.Value.(*expression.Object); ok {
				all = append(all, criteria(m.Name, c))
			}
		}
	}
	if _, ok := o.Get("releaseCriteria"); ok && len(all) == 0 {
		all = append(all, criteria("", o))
	}
	return all
}

func criteria(name string, c *expression.Object) Batch {
	b := Batch{Name: name}
	x, _ := c.Get("releaseCriteria")
	r, ok := x.(*expression.Object)
	if !ok {
		return b
	}
	b.Messages, b.Bytes = whole(r, "messageCount"), int64(whole(r, "batchSize"))
	if again, ok := r.Get("recurrence"); ok {
		s := SpecOf(again)
		b.Recurs = &s
	}
	return b
}

// RetryAfter is the wait before the n-th further look, from 1, as a policy says; false,
// there is none.
func RetryAfter(policy *expression.Object, trigger string, n int, random uint64) (time.Duration, bool, error) {
	return run.Retries(policy, fmt.Sprintf("the trigger '%s'", trigger), n, random)
}

func word(o *expression.Object, name string) string {
	v, _ := o.Get(name)
	return expression.Text(v)
}

func whole(o *expression.Object, name string) int {
	v, _ := o.Get(name)
	return number(v)
}

func number(v any) int {
	switch v := v.(type) {
	case int64:
		return int(v)
	case float64:
		return int(v)
	case string:
		n, err := expression.ParseJSON(v)
		if err != nil {
			return 0
		}
		if _, text := n.(string); !text {
			return number(n)
		}
	}
	return 0
}

func list(o *expression.Object, name string) []any {
	v, _ := o.Get(name)
	all, _ := v.([]any)
	return all
}

func numbers(o *expression.Object, name string) []int {
	var all []int
	for _, v := range list(o, name) {
		all = append(all, number(v))
	}
	return all
}
