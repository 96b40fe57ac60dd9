package expression

import (
	"errors"
	"fmt"
)

// ask asks the context for a thing and gives what it says the engine's words.
func (f *frame) ask(kind Kind, name string) (any, error) {
	v, err := f.context.Value(kind, name)
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, ErrNotFound):
		return nil, f.missing(kind, name)
	}
	var known *Error
	if errors.As(err, &known) {
		return nil, err
	}
	return nil, &Error{Code: CodeInvalidTemplate, Message: err.Error(), cause: err}
}

func (f *frame) missing(kind Kind, name string) error {
	switch kind {
	case TheVariable:
		return fail("The template language function 'variables' cannot be used: the variable '%s' is not initialized. Variables must be initialized by an 'InitializeVariable' action before they are used.", name)
	case TheParameter:
		return fail("The workflow parameter '%s' is not found.", name)
	case TheSetting:
		return fail("The app setting '%s' referenced by the template language function 'appsetting' is not found.", name)
	case TheAction, TheOutputs:
		if name == "" {
			return fail("The template function 'action' is not expected at this location.")
		}
		return fail("The template action '%s' is not defined in the template, or has not run yet. The template language function '%s' can read only actions that are done before it.", name, f.name())
	case TheLoopItem, TheIterationIndex:
		return fail("The template language function '%s' references '%s', which is not a loop around this action.", f.name(), name)
	case TheResult:
		return fail("The template language function 'result' references '%s', which is not a scope that has run.", name)
	}
	return fail("The template function '%s' is not expected at this location.", f.name())
}

// known is a function that asks for one thing; a name is its parameter.
func known(kind Kind) implementation {
	return func(f *frame, args []any) (any, error) {
		if len(args) == 0 {
			return f.ask(kind, "")
		}
		name, ok := args[0].(string)
		if !ok {
			return nil, f.expects(args, 0, "a string")
		}
		return f.ask(kind, name)
	}
}

var (
	trigger, triggerOutputs, action, actionOf, outputs = known(TheTrigger), known(TheTriggerOutputs), known(TheAction), known(TheAction), known(TheOutputs)
	variables, parameters, appsetting, agentParameters = known(TheVariable), known(TheParameter), known(TheSetting), known(TheAgentParameter)
	item, items, iterationIndexes, result              = known(TheItem), known(TheLoopItem), known(TheIterationIndex), known(TheResult)
	workflow, listCallbackURL                          = known(TheWorkflow), known(TheCallbackURL)
	body, triggerBody                                  = bodyOf(outputs), bodyOf(triggerOutputs)
)

// bodyOf gives the body of outputs, null where there is none.
func bodyOf(from implementation) implementation {
	return func(f *frame, args []any) (any, error) {
		v, err := from(f, args)
		if err != nil || v == nil {
			return nil, err
		}
		if o, ok := v.(*Object); ok {
			b, _ := o.Get("body")
			return b, nil
		}
		return nil, nil
	}
}

// formData gives the values of a key in a form that was posted, encoded either way.
func formData(from implementation, names int, many bool) implementation {
	return func(f *frame, args []any) (any, error) {
		v, err := from(f, args[:names])
		if err != nil {
			return nil, err
		}
		key, err := f.str(args, names)
		if err != nil {
			return nil, err
		}
		values, err := f.formValues(v, key)
		if err != nil {
			return nil, err
		}
		switch {
		case many:
			return values, nil
		case len(values) == 0:
			return nil, nil
		case len(values) > 1:
			return nil, f.unretrieved("formdata", "There are more than one items matching the field name '%s'.", key)
		}
		return values[0], nil
	}
}

func (f *frame) formValues(body any, key string) ([]any, error) {
	o, _ := body.(*Object)
	values := []any{}
	if o == nil {
		return nil, f.noForm(nil)
	}
	if fields, ok := o.Exact("$formdata"); ok {
		list, _ := fields.([]any)
		for _, x := range list {
			if field, ok := x.(*Object); ok {
				k, _ := field.Get("key")
				if v, there := field.Get("value"); there && k == key {
					values = append(values, v)
				}
			}
		}
		return values, f.step(len(list))
	}
	parts, ok := o.Exact("$multipart")
	if !ok {
		return nil, f.noForm(o)
	}
	list, _ := parts.([]any)
	for _, x := range list {
		part, ok := x.(*Object)
		if !ok {
			continue
		}
		headers, _ := part.Get("headers")
		h, _ := headers.(*Object)
		if h == nil {
			continue
		}
		disposition, _ := h.Get("Content-Disposition")
		if s, ok := disposition.(string); ok && parameter(s, "name") == key {
			b, _ := part.Get("body")
			values = append(values, b)
		}
	}
	return values, f.step(len(list))
}

func (f *frame) unretrieved(what, format string, args ...any) error {
	return fail("The template language function '%s' failed to retrieve %s contents from outputs. %s", f.name(), what, fmt.Sprintf(format, args...))
}

// typeOf is the media type that a body says it has.
func typeOf(body *Object) string {
	if body != nil {
		if kind, ok := body.Exact("$content-type"); ok {
			return Text(kind)
		}
	}
	return "<null>"
}

func (f *frame) noForm(body *Object) error {
	return f.unretrieved("formdata", "The output content is not a valid form data content. Supported form data content types are 'multipart/form-data' and 'application/x-www-form-urlencoded' and the provided content type is '%s'.", typeOf(body))
}

func multipart(from implementation, names int) implementation {
	return func(f *frame, args []any) (any, error) {
		v, err := from(f, args[:names])
		if err != nil {
			return nil, err
		}
		i, err := f.integer(args, names)
		if err != nil {
			return nil, err
		}
		o, _ := v.(*Object)
		var list []any
		if o != nil {
			parts, _ := o.Exact("$multipart")
			list, _ = parts.([]any)
		}
		if list == nil {
			return nil, f.unretrieved("multipart", "The supported multipart content type is 'multipart/*' and the provided content type is '%s'.", typeOf(o))
		}
		if i < 0 || i >= int64(len(list)) {
			return nil, f.unretrieved("multipart", "The index value '%d' exceeds the number of multipart contents '%d' in the outputs.", i, len(list))
		}
		if part, ok := list[i].(*Object); ok {
			b, _ := part.Get("body")
			return b, nil
		}
		return nil, nil
	}
}
