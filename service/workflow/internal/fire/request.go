package fire

import (
	"fmt"
	"net/url"
	"strings"

	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// Codes of refusals.
const (
	CodeMethod  = "TriggerRequestMethodNotValid"
	CodePath    = "TriggerRelativePathNotMatched"
	CodeSchema  = "TriggerInputSchemaMismatch"
	CodeContent = "InvalidRequestContent"
)

// Refusal is what a caller is told whose request does not fit a trigger.
type Refusal struct {
	Status        int
	Code, Message string
}

// Error is the sentence.
func (r *Refusal) Error() string { return r.Message }

// Request is what somebody asks of a Request trigger.
type Request struct {
	Method string
	// Path is what follows the trigger's own address, still escaped.
	Path string
	// Body is nil when there is none; JSON says that it was sent as such.
	Body any
	Has  bool
	JSON bool
}

// Method is the method that the trigger's inputs, evaluated, ask for.
func Method(inputs any) string {
	if o, ok := inputs.(*expression.Object); ok {
		if m, _ := o.Get("method"); expression.Text(m) != "" {
			return strings.ToUpper(expression.Text(m))
		}
	}
	return "POST"
}

// Admit says whether a request fits the trigger, and gives the parameters of its path,
// nil when it has none.
func (t *Trigger) Admit(inputs any, r Request) (*expression.Object, *Refusal) {
	if want := Method(inputs); !strings.EqualFold(want, r.Method) {
		return nil, &Refusal{400, CodeMethod, fmt.Sprintf("The HTTP method of a request to the trigger '%s' of type '%s' is not valid: expected '%s' and actual '%s'.", t.Name, t.Type, want, strings.ToUpper(r.Method))}
	}
	template := ""
	if o, ok := inputs.(*expression.Object); ok {
		p, _ := o.Get("relativePath")
		template = expression.Text(p)
	}
	params, ok := match(template, r.Path)
	if !ok {
		return nil, &Refusal{404, CodePath, fmt.Sprintf("The path '%s' of the request does not match the relative path '%s' of the trigger '%s'.", r.Path, template, t.Name)}
	}
	if t.schema == nil || len(t.schema.Members) == 0 || !t.Options.Has("EnableSchemaValidation") {
		return params, nil
	}
	if r.Has && !r.JSON {
		return nil, &Refusal{400, CodeContent, fmt.Sprintf("The input body for trigger '%s' of type '%s' must be of type JSON, as its schema is checked; send it with the content type 'application/json'.", t.Name, t.Type)}
	}
	if faults := run.Mismatch(t.schema, r.Body); len(faults) > 0 {
		return nil, &Refusal{400, CodeSchema, fmt.Sprintf("The input body for trigger '%s' of type '%s' did not match its schema definition. Error details: '%s'.", t.Name, t.Type, strings.Join(faults, ","))}
	}
	return params, nil
}

// Schema is the schema of what the trigger takes; nil, it says nothing of it.
func (t *Trigger) Schema() *expression.Object { return t.schema }

// match compares a path with a template such as /orders/{id}.
func match(template, path string) (*expression.Object, bool) {
	want, got := segments(template), segments(path)
	if len(want) != len(got) {
		return nil, false
	}
	var params *expression.Object
	for k, w := range want {
		given, err := url.PathUnescape(got[k])
		if err != nil {
			return nil, false
		}
		open, end := strings.IndexByte(w, '{'), strings.LastIndexByte(w, '}')
		if open < 0 || end < open {
			if !strings.EqualFold(w, given) {
				return nil, false
			}
			continue
		}
		before, name, after := w[:open], w[open+1:end], w[end+1:]
		if len(given) <= len(before)+len(after) || !strings.HasPrefix(given, before) || !strings.HasSuffix(given, after) {
			return nil, false
		}
		if params == nil {
			params = &expression.Object{}
		}
		params = params.With(name, given[len(before):len(given)-len(after)])
	}
	return params, true
}

func segments(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}
