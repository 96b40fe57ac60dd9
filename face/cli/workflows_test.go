package cli

import (
	"strings"
	"testing"
)

func TestWorkflowVerbs(t *testing.T) {
	const (
		flow = "/subscriptions/s/providers/Microsoft.Logic/workflows/orders"
		app  = "/subscriptions/s/providers/Microsoft.Web/sites/shop/hostruntime/runtime/webhooks/workflow/api/management/workflows/orders"
		one  = `{"name":"0858CU00","properties":{"status":"Failed","code":"ActionFailed","startTime":"2026-01-01T00:00:00Z","endTime":"2026-01-01T00:00:01.5Z","trigger":{"name":"manual"},"correlation":{"clientTrackingId":"0858CU00"},"error":{"code":"ActionFailed","message":"An action failed."}}}`
	)
	server, asked := answers(t, map[string]string{
		"GET /status": status,
		"GET " + flow + "/runs?%24filter=status+eq+%27Failed%27+and+clientTrackingId+eq+%27o%27%27clock%27&%24top=2": `{"value":[` + one + `],"nextLink":"http://elsewhere` + flow + `/runs?$skiptoken=7"}`,
		"GET " + flow + "/runs?$skiptoken=7":                        `{"value":[` + strings.ReplaceAll(one, "0858", "0859") + `,` + one + `]}`,
		"GET " + app + "/runs?%24top=30":                            `{"value":[]}`,
		"GET " + flow + "/runs/0858CU00?$expand=properties/actions": one,
		"GET " + flow + "/runs/0858CU00/actions?$top=250":           `{"value":[{"name":"Send","properties":{"status":"Failed","code":"BadRequest","startTime":"2026-01-01T00:00:00Z","endTime":"2026-01-01T00:00:01Z","repetitionCount":3,"error":{"message":"No."}}}]}`,
		"POST " + flow + "/runs/cancel":                             `{"value":[{"name":"0858CU00","status":"Cancelled"}],"more":true}`,
		"POST " + app + "/runs/resubmit":                            `{"value":[{"name":"0858CU00","run":"0857CU00","status":"Running"},{"name":"x","status":"Failed","error":{"message":"There is none."}}]}`,
		"POST " + flow + "/runs/0858CU00/resubmit":                  `{"name":"0857CU00"}`,
		"GET " + flow + "/triggers":                                 `{"value":[{"name":"manual"}]}`,
		"POST " + flow + "/triggers/manual/run":                     `{"name":"0857CU00"}`,
		"POST " + flow + "/triggers/often/run":                      ``,
		"POST " + flow + "/triggers/manual/listCallbackUrl":         `{"value":"http://here/workflows/x"}`,
	})
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"runs", "orders", "--status", "Failed", "--tracking", "o'clock", "--top", "2"}, 0, []string{"0858CU00  Failed", "1.5s  manual", "0859CU00"}},
		{[]string{"runs", "shop/orders"}, 0, []string{"No runs."}},
		{[]string{"runs", flow, "--status", "Failed", "--tracking", "o'clock", "--top", "2", "--json"}, 0, []string{`"name": "0859CU00"`}},
		{[]string{"run", "orders", "0858CU00"}, 0, []string{"ActionFailed: An action failed.", "Send    Failed  1s    3      BadRequest  No."}},
		{[]string{"cancel", "orders", "0858CU00"}, 0, []string{"0858CU00  Cancelled", "There are more"}},
		{[]string{"cancel", "orders"}, exitUsage, []string{"say which runs"}},
		{[]string{"resubmit", "shop/orders", "--filter", "status eq 'Failed'"}, exitFailed, []string{"0858CU00  again as 0857CU00", "x  Failed: There is none.", "1 run could not be done"}},
		{[]string{"resubmit", "orders", "0858CU00", "--from", "Send"}, 0, []string{"again as 0857CU00"}},
		{[]string{"trigger", "orders"}, 0, []string{"0857CU00"}},
		{[]string{"trigger", "orders", "often"}, 0, []string{"often looks"}},
		{[]string{"url", "orders"}, 0, []string{"http://here/workflows/x"}},
		{[]string{"runs", "orders", "--since", "yesterday"}, exitUsage, []string{"neither a time"}},
		{[]string{"runs", "none"}, exitFailed, []string{"There is no"}},
	} {
		code, out, talk := run(t, server, append([]string{"workflow"}, c.args...)...)
		for _, want := range c.want {
			if code != c.code || !strings.Contains(out+talk, want) {
				t.Errorf("%v: %d, no %q in\n%s%s", c.args, code, want, out, talk)
			}
		}
	}
	all := strings.Join(*asked, "\n")
	for _, want := range []string{`"filter":"status eq 'Failed'"`, `"runs":["0858CU00"]`, `{"actionsToResubmit":[{"name":"Send"}]}`} {
		if !strings.Contains(all, want) {
			t.Errorf("never asked %s", want)
		}
	}
}
