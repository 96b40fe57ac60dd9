package arm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/logic/armlogic"
)

// orders answers a request, goes over what it holds, and waits where it is told to.
const orders = `{"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
"parameters": {"greeting": {"type": "string", "defaultValue": "hello"}, "key": {"type": "securestring"}},
"triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {"type": "object"}}}},
"actions": {
	"zuerst": {"type": "Compose", "inputs": "@concat(parameters('greeting'), ' ', triggerBody()?['who'])"},
	"each": {"type": "Foreach", "foreach": "@triggerBody()?['items']", "actions": {"item": {"type": "Compose", "inputs": "@mul(item(), 2)"}}, "runAfter": {"zuerst": ["Succeeded"]}},
	"answer": {"type": "Response", "inputs": {"statusCode": 200, "body": {"said": "@outputs('zuerst')"}}, "runAfter": {"each": ["Succeeded"]}},
	"maybe": {"type": "If", "expression": "@equals(triggerBody()?['wait'], true)", "actions": {"long": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Hour"}}}}, "runAfter": {"answer": ["Succeeded", "Skipped"]}}
}, "outputs": {"said": {"type": "String", "value": "@outputs('zuerst')"}}}`

func definition(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// logic are the clients of one subscription.
type logic struct {
	*stage
	flows       *armlogic.WorkflowsClient
	runs        *armlogic.WorkflowRunsClient
	actions     *armlogic.WorkflowRunActionsClient
	repetitions *armlogic.WorkflowRunActionRepetitionsClient
	scopes      *armlogic.WorkflowRunActionScopeRepetitionsClient
	triggers    *armlogic.WorkflowTriggersClient
	histories   *armlogic.WorkflowTriggerHistoriesClient
	versions    *armlogic.WorkflowVersionsClient
	ofVersions  *armlogic.WorkflowVersionTriggersClient
	operations  *armlogic.WorkflowRunOperationsClient
	requests    *armlogic.WorkflowRunActionRequestHistoriesClient
	offered     *armlogic.OperationsClient
}

func newLogic(t *testing.T) *logic {
	t.Helper()
	l := &logic{stage: newStage(t)}
	f, err := armlogic.NewClientFactory(defaultSubscription, l.stage, l.options)
	l.must(err)
	l.flows, l.runs, l.actions, l.repetitions = f.NewWorkflowsClient(), f.NewWorkflowRunsClient(), f.NewWorkflowRunActionsClient(), f.NewWorkflowRunActionRepetitionsClient()
	l.scopes, l.triggers, l.histories = f.NewWorkflowRunActionScopeRepetitionsClient(), f.NewWorkflowTriggersClient(), f.NewWorkflowTriggerHistoriesClient()
	l.versions, l.ofVersions, l.operations, l.requests, l.offered = f.NewWorkflowVersionsClient(), f.NewWorkflowVersionTriggersClient(), f.NewWorkflowRunOperationsClient(), f.NewWorkflowRunActionRequestHistoriesClient(), f.NewOperationsClient()
	return l
}

func (l *logic) workflow(text string) armlogic.Workflow {
	return armlogic.Workflow{Location: to.Ptr("local"), Tags: map[string]*string{"team": to.Ptr("a")}, Properties: &armlogic.WorkflowProperties{
		Definition: definition(l.T, text), State: to.Ptr(armlogic.WorkflowStateEnabled),
		Parameters: map[string]*armlogic.WorkflowParameter{"greeting": {Value: "good day"}, "key": {Value: "hush-hush"}},
	}}
}

// call calls an address and gives the answer's status, body and run.
func (l *logic) call(url, body string) (status int, said, run string) {
	l.Helper()
	r, err := http.NewRequestWithContext(l.ctx, http.MethodPost, url, strings.NewReader(body))
	l.must(err)
	r.Header.Set("Content-Type", "application/json")
	got, err := l.options.Transport.Do(r)
	l.must(err)
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	l.must(err)
	return got.StatusCode, string(data), got.Header.Get("x-ms-workflow-run-id")
}

// ended waits until a run has ended.
func (l *logic) ended(name, run string) armlogic.WorkflowRun {
	l.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got := value[armlogic.WorkflowRunsClientGetResponse](l.stage)(l.runs.Get(l.ctx, defaultGroup, name, run, nil))
		if s := *got.Properties.Status; s != armlogic.WorkflowStatusRunning && s != armlogic.WorkflowStatusWaiting {
			return got.WorkflowRun
		}
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			l.Fatalf("the run %s goes on", run)
		}
	}
}

// TestWorkflows: armlogic declares, calls and watches workflows.
func TestWorkflows(t *testing.T) {
	l := newLogic(t)
	const name = "orders"
	made := value[armlogic.WorkflowsClientCreateOrUpdateResponse](l.stage)(l.flows.CreateOrUpdate(l.ctx, defaultGroup, name, l.workflow(orders), nil))
	if p := made.Properties; *made.Name != name || *p.State != armlogic.WorkflowStateEnabled || *p.ProvisioningState != armlogic.WorkflowProvisioningStateSucceeded {
		t.Errorf("made %+v", p)
	}
	got := value[armlogic.WorkflowsClientGetResponse](l.stage)(l.flows.Get(l.ctx, defaultGroup, name, nil))
	text, err := json.Marshal(got.Workflow)
	l.must(err)
	if strings.Contains(string(text), "hush") || !strings.Contains(string(text), "good day") || !strings.Contains(string(text), "zuerst") {
		t.Errorf("shown as %s", text)
	}
	if p := got.Properties; p.Version == nil || p.AccessEndpoint == nil || p.CreatedTime == nil || p.ChangedTime == nil || p.SKU == nil {
		t.Errorf("what the service says is not there: %s", text)
	}
	if list := all(l.stage, l.flows.NewListByResourceGroupPager(defaultGroup, nil), func(p armlogic.WorkflowsClientListByResourceGroupResponse) []*armlogic.Workflow { return p.Value }); len(list) != 1 {
		t.Errorf("%d workflows in the group", len(list))
	}
	if list := all(l.stage, l.flows.NewListBySubscriptionPager(nil), func(p armlogic.WorkflowsClientListBySubscriptionResponse) []*armlogic.Workflow { return p.Value }); len(list) != 1 {
		t.Errorf("%d workflows in the subscription", len(list))
	}
	if list := all(l.stage, l.offered.NewListPager(nil), func(p armlogic.OperationsClientListResponse) []*armlogic.Operation { return p.Value }); len(list) == 0 {
		t.Error("no operations are listed")
	}

	patched := value[armlogic.WorkflowsClientUpdateResponse](l.stage)(l.flows.Update(l.ctx, defaultGroup, name, nil)) // it sends no body
	if *patched.Properties.Version != *got.Properties.Version {
		t.Errorf("an empty patch made version %s", *patched.Properties.Version)
	}

	// Judged before it is stored, all problems at once.
	broken := l.workflow(strings.Replace(strings.Replace(orders, `"type": "Compose"`, `"type": "Compse"`, 1), `["Succeeded", "Skipped"]`, `["Never"]`, 1))
	_, err = l.flows.CreateOrUpdate(l.ctx, defaultGroup, "broken", broken, nil)
	l.refused(err, http.StatusBadRequest, "InvalidTemplate", "Compse")
	l.refused(err, http.StatusBadRequest, "InvalidTemplate", "Never")
	_, err = l.flows.ValidateByResourceGroup(l.ctx, defaultGroup, "broken", broken, nil)
	l.refused(err, http.StatusBadRequest, "InvalidTemplate", "Compse")
	_, err = l.flows.ValidateByLocation(l.ctx, defaultGroup, "local", "broken", broken, nil)
	l.refused(err, http.StatusBadRequest, "InvalidTemplate", "Compse")
	_, err = l.flows.ValidateByResourceGroup(l.ctx, defaultGroup, "another", l.workflow(orders), nil)
	l.must(err)
	_, err = l.flows.Get(l.ctx, defaultGroup, "broken", nil)
	l.refused(err, http.StatusNotFound, "ResourceNotFound", "broken")

	// Called by its address.
	where := value[armlogic.WorkflowTriggersClientListCallbackURLResponse](l.stage)(l.triggers.ListCallbackURL(l.ctx, defaultGroup, name, "manual", nil))
	if *where.Method != http.MethodPost || where.Queries == nil || *where.Queries.Sv != "1.0" {
		t.Errorf("called at %+v", where)
	}
	status, said, run := l.call(*where.Value, `{"who": "Ada", "items": [1, 2, 3]}`)
	if status != http.StatusOK || said != `{"said":"good day Ada"}` || run == "" {
		t.Fatalf("%d %s, run %q", status, said, run)
	}
	o := l.ended(name, run)
	if *o.Properties.Status != armlogic.WorkflowStatusSucceeded || *o.Properties.Correlation.ClientTrackingID != run || *o.Properties.Trigger.Name != "manual" ||
		fmt.Sprint(o.Properties.Outputs["said"].Value) != "good day Ada" || o.Properties.EndTime == nil || *o.Properties.Workflow.Name != *got.Properties.Version {
		text, _ := json.Marshal(o)
		t.Errorf("the run is %s", text)
	}
	l.history(name, run)

	// Keys.
	_, err = l.flows.RegenerateAccessKey(l.ctx, defaultGroup, name, armlogic.RegenerateActionParameter{KeyType: to.Ptr(armlogic.KeyTypePrimary)}, nil)
	l.must(err)
	if status, said, _ := l.call(*where.Value, `{}`); status != http.StatusUnauthorized || !strings.Contains(said, "regenerated") {
		t.Errorf("with the former key: %d %s", status, said)
	}
	again := value[armlogic.WorkflowsClientListCallbackURLResponse](l.stage)(l.flows.ListCallbackURL(l.ctx, defaultGroup, name, armlogic.GetCallbackURLParameters{KeyType: to.Ptr(armlogic.KeyTypeSecondary), NotAfter: to.Ptr(time.Now().Add(time.Hour))}, nil))
	if status, said, _ := l.call(*again.Value, `{"who": "Bob", "items": []}`); status != http.StatusOK || !strings.Contains(said, "Bob") {
		t.Errorf("with the new key: %d %s", status, said)
	}

	// Runs that wait are cancelled; a disabled workflow starts none.
	_, _, waiting := l.call(*again.Value, `{"who": "C", "items": [], "wait": true}`)
	_, err = l.runs.Cancel(l.ctx, defaultGroup, name, waiting, nil)
	l.must(err)
	if o := l.ended(name, waiting); *o.Properties.Status != armlogic.WorkflowStatusCancelled {
		t.Errorf("cancelled: %s", *o.Properties.Status)
	}
	_, err = l.flows.Disable(l.ctx, defaultGroup, name, nil)
	l.must(err)
	if status, said, _ := l.call(*again.Value, `{}`); status < 400 || !strings.Contains(said, "WorkflowTriggerIsNotEnabled") {
		t.Errorf("disabled: %d %s", status, said)
	}
	_, err = l.flows.Enable(l.ctx, defaultGroup, name, nil)
	l.must(err)
	if got := value[armlogic.WorkflowsClientGetResponse](l.stage)(l.flows.Get(l.ctx, defaultGroup, name, nil)); *got.Properties.State != armlogic.WorkflowStateEnabled {
		t.Errorf("the state is %s", *got.Properties.State)
	}
	if status, said, _ := l.call(*again.Value, `{"who": "D", "items": []}`); status != http.StatusOK || !strings.Contains(said, "good day D") {
		t.Errorf("enabled again, its secure parameter kept: %d %s", status, said)
	}

	l.others(name)
	_, err = l.flows.Delete(l.ctx, defaultGroup, name, nil)
	l.must(err)
	_, err = l.runs.Get(l.ctx, defaultGroup, name, run, nil)
	l.refused(err, http.StatusNotFound, "WorkflowNotFound", name)
}

// history looks at what a run of orders did.
func (l *logic) history(name, run string) {
	t := l.T
	list := all(l.stage, l.runs.NewListPager(defaultGroup, name, &armlogic.WorkflowRunsClientListOptions{Top: to.Ptr[int32](1), Filter: to.Ptr("status eq 'Succeeded'")}), func(p armlogic.WorkflowRunsClientListResponse) []*armlogic.WorkflowRun { return p.Value })
	if len(list) != 1 || *list[0].Name != run {
		t.Errorf("%d runs are listed", len(list))
	}
	actions := all(l.stage, l.actions.NewListPager(defaultGroup, name, run, nil), func(p armlogic.WorkflowRunActionsClientListResponse) []*armlogic.WorkflowRunAction { return p.Value })
	// The client writes objects sorted.
	if got := names(actions, func(a *armlogic.WorkflowRunAction) *string { return a.Name }); got != "answer each maybe zuerst item long" {
		t.Errorf("actions %q", got)
	}
	first := value[armlogic.WorkflowRunActionsClientGetResponse](l.stage)(l.actions.Get(l.ctx, defaultGroup, name, run, "zuerst", nil))
	if p := first.Properties; *p.Status != armlogic.WorkflowStatusSucceeded || *p.Code != "OK" || p.StartTime == nil || p.EndTime == nil || p.Correlation.ActionTrackingID == nil || l.content(p.OutputsLink) != `"good day Ada"` {
		t.Errorf("the first action is %+v", p)
	}
	long := value[armlogic.WorkflowRunActionsClientGetResponse](l.stage)(l.actions.Get(l.ctx, defaultGroup, name, run, "long", nil))
	if p := long.Properties; *p.Status != armlogic.WorkflowStatusSkipped || *p.Code != "ActionSkipped" || !strings.Contains(fmt.Sprint(p.Error), "ActionBranchingConditionNotSatisfied") {
		t.Errorf("the branch not taken is %+v", p)
	}
	var traces []*armlogic.ExpressionRoot
	pager := l.actions.NewListExpressionTracesPager(defaultGroup, name, run, "zuerst", nil)
	for pager.More() {
		page, err := pager.NextPage(l.ctx)
		l.must(err)
		traces = append(traces, page.Inputs...)
	}
	if len(traces) != 1 || fmt.Sprint(traces[0].Value) != "good day Ada" || len(traces[0].Subexpressions) == 0 {
		t.Errorf("%d traces", len(traces))
	}
	reps := all(l.stage, l.repetitions.NewListPager(defaultGroup, name, run, "item", nil), func(p armlogic.WorkflowRunActionRepetitionsClientListResponse) []*armlogic.WorkflowRunActionRepetitionDefinition {
		return p.Value
	})
	if got := names(reps, func(r *armlogic.WorkflowRunActionRepetitionDefinition) *string { return r.Name }); got != "000000 000001 000002" {
		t.Errorf("repetitions %q", got)
	}
	third := value[armlogic.WorkflowRunActionRepetitionsClientGetResponse](l.stage)(l.repetitions.Get(l.ctx, defaultGroup, name, run, "item", "000002", nil))
	if p := third.Properties; *p.RepetitionIndexes[0].ScopeName != "each" || *p.RepetitionIndexes[0].ItemIndex != 2 || l.content(p.OutputsLink) != "6" {
		t.Errorf("the third repetition is %+v", p)
	}
	scopes := all(l.stage, l.scopes.NewListPager(defaultGroup, name, run, "each", nil), func(p armlogic.WorkflowRunActionScopeRepetitionsClientListResponse) []*armlogic.WorkflowRunActionRepetitionDefinition {
		return p.Value
	})
	if len(scopes) != 3 || *scopes[0].Properties.Status != armlogic.WorkflowStatusSucceeded {
		t.Errorf("%d iterations", len(scopes))
	}
	if list := all(l.stage, l.requests.NewListPager(defaultGroup, name, run, "zuerst", nil), func(p armlogic.WorkflowRunActionRequestHistoriesClientListResponse) []*armlogic.RequestHistory {
		return p.Value
	}); len(list) != 0 {
		t.Errorf("a Compose made %d requests", len(list))
	}
	if op := value[armlogic.WorkflowRunOperationsClientGetResponse](l.stage)(l.operations.Get(l.ctx, defaultGroup, name, run, run, nil)); *op.Name != run {
		t.Errorf("the operation is %s", *op.Name)
	}
	_, err := l.runs.Get(l.ctx, defaultGroup, name, "0858", nil)
	l.refused(err, http.StatusNotFound, "WorkflowRunNotFound", "0858")
	_, err = l.actions.Get(l.ctx, defaultGroup, name, run, "none", nil)
	l.refused(err, http.StatusNotFound, "WorkflowRunActionNotFound", "none")
}

// content reads what a link leads to.
func (l *logic) content(link *armlogic.ContentLink) string {
	l.Helper()
	if link == nil || link.URI == nil {
		return "no link"
	}
	r, err := http.NewRequestWithContext(l.ctx, http.MethodGet, *link.URI, nil)
	l.must(err)
	got, err := l.options.Transport.Do(r)
	l.must(err)
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	l.must(err)
	if got.StatusCode != http.StatusOK || link.ContentSize == nil || int(*link.ContentSize) != len(data) {
		l.Errorf("%d, %d bytes of %v: %s", got.StatusCode, len(data), link.ContentSize, data)
	}
	return string(data)
}

// others are triggers, their histories, versions and what is left.
func (l *logic) others(name string) {
	t := l.T
	triggers := all(l.stage, l.triggers.NewListPager(defaultGroup, name, nil), func(p armlogic.WorkflowTriggersClientListResponse) []*armlogic.WorkflowTrigger { return p.Value })
	if len(triggers) != 1 || *triggers[0].Properties.State != armlogic.WorkflowStateEnabled || triggers[0].Properties.LastExecutionTime == nil {
		t.Errorf("%d triggers", len(triggers))
	}
	_, err := l.triggers.Get(l.ctx, defaultGroup, name, "none", nil)
	l.refused(err, http.StatusNotFound, "WorkflowTriggerNotFound", "none")
	schema := value[armlogic.WorkflowTriggersClientGetSchemaJSONResponse](l.stage)(l.triggers.GetSchemaJSON(l.ctx, defaultGroup, name, "manual", nil))
	if schema.Content == nil || !strings.Contains(*schema.Content, "object") {
		t.Errorf("the schema is %+v", schema)
	}
	_, err = l.triggers.Reset(l.ctx, defaultGroup, name, "manual", nil)
	l.must(err)
	_, err = l.triggers.Run(l.ctx, defaultGroup, name, "manual", nil)
	l.must(err)
	list := all(l.stage, l.histories.NewListPager(defaultGroup, name, "manual", nil), func(p armlogic.WorkflowTriggerHistoriesClientListResponse) []*armlogic.WorkflowTriggerHistory {
		return p.Value
	})
	if len(list) < 3 || !*list[0].Properties.Fired {
		t.Errorf("%d histories", len(list))
	}
	oldest := *list[len(list)-1].Name
	one := value[armlogic.WorkflowTriggerHistoriesClientGetResponse](l.stage)(l.histories.Get(l.ctx, defaultGroup, name, "manual", oldest, nil))
	if *one.Properties.Run.Name != oldest {
		t.Errorf("the history is %+v", one.Properties)
	}
	before := all(l.stage, l.runs.NewListPager(defaultGroup, name, nil), func(p armlogic.WorkflowRunsClientListResponse) []*armlogic.WorkflowRun { return p.Value })
	_, err = l.histories.Resubmit(l.ctx, defaultGroup, name, "manual", oldest, nil)
	l.must(err)
	after := all(l.stage, l.runs.NewListPager(defaultGroup, name, nil), func(p armlogic.WorkflowRunsClientListResponse) []*armlogic.WorkflowRun { return p.Value })
	if len(after) != len(before)+1 {
		t.Errorf("%d runs became %d", len(before), len(after))
	}
	if o := l.ended(name, *after[0].Name); *o.Properties.Status != armlogic.WorkflowStatusSucceeded || fmt.Sprint(o.Properties.Outputs["said"].Value) != "good day Ada" {
		t.Errorf("resubmitted: %s", *o.Properties.Status)
	}
	versions := all(l.stage, l.versions.NewListPager(defaultGroup, name, nil), func(p armlogic.WorkflowVersionsClientListResponse) []*armlogic.WorkflowVersion { return p.Value })
	if len(versions) == 0 || versions[0].Properties.Definition == nil {
		t.Fatalf("%d versions", len(versions))
	}
	newest := *versions[0].Name
	v := value[armlogic.WorkflowVersionsClientGetResponse](l.stage)(l.versions.Get(l.ctx, defaultGroup, name, newest, nil))
	if text, _ := json.Marshal(v.Properties); strings.Contains(string(text), "hush") || !strings.Contains(string(text), "zuerst") {
		t.Errorf("the version is %s", text)
	}
	where := value[armlogic.WorkflowVersionTriggersClientListCallbackURLResponse](l.stage)(l.ofVersions.ListCallbackURL(l.ctx, defaultGroup, name, newest, "manual", nil))
	if status, said, _ := l.call(*where.Value, `{"who": "V", "items": []}`); status != http.StatusOK || !strings.Contains(said, "V") {
		t.Errorf("called by its version: %d %s", status, said)
	}
	swagger := value[armlogic.WorkflowsClientListSwaggerResponse](l.stage)(l.flows.ListSwagger(l.ctx, defaultGroup, name, nil))
	if text, _ := json.Marshal(swagger.Interface); !strings.Contains(string(text), `"swagger":"2.0"`) {
		t.Errorf("%s", text)
	}
	upgraded := value[armlogic.WorkflowsClientGenerateUpgradedDefinitionResponse](l.stage)(l.flows.GenerateUpgradedDefinition(l.ctx, defaultGroup, name, armlogic.GenerateUpgradedDefinitionParameters{TargetSchemaVersion: to.Ptr("2016-06-01")}, nil))
	if text, _ := json.Marshal(upgraded.Interface); !strings.Contains(string(text), "zuerst") {
		t.Errorf("%s", text)
	}
	_, err = l.flows.BeginMove(l.ctx, defaultGroup, name, armlogic.WorkflowReference{ID: to.Ptr("/x")}, nil)
	var refused *azcore.ResponseError
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusNotImplemented {
		t.Errorf("move: %v", err)
	}
}
