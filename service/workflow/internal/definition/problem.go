package definition

import (
	"cmp"
	"fmt"
	"slices"

	"weir/service/workflow/internal/document"
)

// Severity says whether a problem keeps a definition from being stored.
type Severity uint8

// Severities.
const (
	Error Severity = iota
	Warning
)

// String is how reports spell it.
func (s Severity) String() string { return [...]string{"error", "warning"}[s] }

// Problem is one thing that is wrong.
type Problem struct {
	// Code is stable: scripts may look for it. The table Codes says what each means.
	Code     string
	Severity Severity
	Path     document.Path
	At       document.Position
	Message  string
}

// String is the problem on one line.
func (p Problem) String() string {
	return fmt.Sprintf("%d:%d: %s: %s: %s (%s)", p.At.Line, p.At.Column, p.Severity, p.Path, p.Message, p.Code)
}

// Valid reports whether there is no error among problems.
func Valid(problems []Problem) bool {
	return !slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == Error })
}

// Codes says what each code means; the guide prints it.
var Codes = map[string]string{
	"not-json":              "The file is not JSON.",
	"unreadable":            "The file cannot be read, or is too large.",
	"no-definition":         "The file holds no workflow definition in a known wrapping.",
	"not-an-object":         "Something that must be an object is not one.",
	"duplicate-member":      "A member's name comes twice in one object.",
	"missing-member":        "A member that must be there is not.",
	"wrong-type":            "A member has a value of the wrong JSON type.",
	"wrong-value":           "A member has a value that is not one of those allowed.",
	"unknown-member":        "A member that nothing reads.",
	"unknown-schema":        "The definition names another schema than 2016-06-01.",
	"unknown-action-type":   "No action has this type.",
	"unknown-trigger-type":  "No trigger has this type.",
	"unknown-kind":          "The type has no such kind.",
	"unknown-option":        "No such operation option, or not for this operation.",
	"not-run-here":          "The type is read and checked, but this engine does not run it.",
	"limit-exceeded":        "A limit of the engine is exceeded.",
	"duplicate-name":        "Two actions have the same name.",
	"bad-name":              "A name is empty or has signs that names cannot have.",
	"runafter-missing":      "runAfter names an action that is not in the same graph.",
	"runafter-shape":        "runAfter is not an object of lists of statuses.",
	"runafter-status":       "runAfter waits for an end that no action has.",
	"runafter-cycle":        "Actions run after one another in a circle.",
	"response-no-request":   "A Response in a workflow that no Request trigger starts.",
	"response-in-loop":      "A Response inside a loop.",
	"response-parallel":     "A Response beside a parallel branch.",
	"response-status":       "A status code that a Response cannot give.",
	"terminate-in-loop":     "A Terminate inside a loop.",
	"init-in-scope":         "A variable is initialised inside another action.",
	"variable-twice":        "A variable is initialised twice.",
	"variable-missing":      "A variable is used that nothing initialises.",
	"variable-early":        "A variable is used before it is initialised.",
	"variable-self":         "A variable is set from itself.",
	"parameter-missing":     "A parameter is used that is not declared.",
	"parameter-type":        "A parameter has no known type, or a default of another one.",
	"expression":            "An expression cannot be read, or calls a function wrongly.",
	"reference-missing":     "An expression names an action that does not exist.",
	"reference-not-ahead":   "An expression names an action that has not ended by then.",
	"reference-self":        "An action's expression asks for its own result.",
	"reference-not-scope":   "result() of an action that holds no others.",
	"item-outside-loop":     "item() or items() outside of the loop it is about.",
	"iteration-outside":     "iterationIndexes() outside of the Until it is about.",
	"action-outside":        "action() where there is no current action to speak of.",
	"callback-outside":      "listCallbackUrl() outside of a webhook.",
	"tracked-reference":     "A tracked property looks at more than its own action.",
	"tracked-chunked":       "A tracked property of a chunked transfer looks at its content.",
	"condition":             "A condition's tree of and, or, not and comparisons that cannot be read.",
	"static-result":         "A static result of something that has none.",
	"recurrence":            "A recurrence that is never or not so.",
	"recurrence-schedule":   "A schedule that does not fit its frequency.",
	"time-zone":             "No such time zone.",
	"duration":              "Not an ISO 8601 duration.",
	"retry-policy":          "A retry policy that cannot be followed.",
	"uri":                   "A URI that cannot be called.",
	"method":                "A method that cannot be used here.",
	"concurrency":           "Concurrency that contradicts itself.",
	"static-result-missing": "A static result is named that is not declared.",
	"stateless":             "Something that a stateless workflow cannot do.",
	"dependency-missing":    "A script depends on an action that it cannot depend on.",
	"trigger-missing":       "A workflow that nothing starts.",
	"placeholder":           "A placeholder that a deployment should have filled.",
	"connection-missing":    "A connection is named that the project does not have.",
}

// sorted puts problems in the order of the file.
func sorted(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Column, b.At.Column), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(problems, func(a, b Problem) bool { return a == b })
}
