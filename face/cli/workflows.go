package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weir/face/api"
)

// workflowType is whose runs weir workflow speaks of, siteType that of a Standard project.
const (
	workflowType = "Microsoft.Logic/workflows"
	siteType     = "Microsoft.Web/sites"
)

// workflowVerbs are what a server is asked about the runs of workflows.
func (l *line) workflowVerbs() []*cobra.Command {
	return []*cobra.Command{l.workflowRuns(), l.workflowRun(), l.workflowCancel(), l.workflowResubmit(), l.workflowRepeat(), l.workflowTrigger(), l.workflowURL()}
}

const workflowNames = `A workflow is named by its name, by SITE/NAME when it is one of a Standard project, or
by its whole id.`

// ofWorkflow makes a command about one workflow; do gets its path at the server.
func (l *line) ofWorkflow(cmd *cobra.Command, do func(ctx context.Context, d *door, at string, args []string) error) *cobra.Command {
	var w whereabouts
	cmd.Long = strings.TrimSpace(cmd.Long + "\n\n" + workflowNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := l.door()
		if err != nil {
			return err
		}
		scope := w.scope
		if scope == "" {
			var s api.Status
			if err := d.call(cmd.Context(), "GET", "/status", nil, &s); err != nil {
				return err
			}
			scope = s.Scope
		}
		return do(cmd.Context(), d, workflowPath(scope, args[0]), args[1:])
	}
	cmd = l.remote(cmd, "")
	cmd.Flags().StringVar(&w.scope, "scope", "", "Id of the resource group it lies in. Not given: the server's default one.")
	return cmd
}

// workflowPath is where a server is asked about a workflow.
func workflowPath(scope, name string) string {
	site, inner, standard := strings.Cut(name, "/")
	if strings.HasPrefix(name, "/") {
		at := strings.LastIndex(strings.ToLower(name), "/workflows/")
		if at < 0 || !strings.Contains(strings.ToLower(name), strings.ToLower("/providers/"+siteType+"/")) {
			return path(name)
		}
		return management(name[:at], name[at+len("/workflows/"):])
	}
	if standard {
		return management(scope+"/providers/"+siteType+"/"+site, inner)
	}
	return path(scope + "/providers/" + workflowType + "/" + name)
}

func management(site, name string) string {
	return path(site + "/hostruntime/runtime/webhooks/workflow/api/management/workflows/" + name)
}

// workflowRunShape is a run as its history shows it.
type workflowRunShape struct {
	Name       string `json:"name"`
	Properties struct {
		Status    string `json:"status"`
		Code      string `json:"code"`
		StartTime string `json:"startTime"`
		EndTime   string `json:"endTime"`
		Trigger   struct {
			Name string `json:"name"`
		} `json:"trigger"`
		Correlation struct {
			Tracking string `json:"clientTrackingId"`
		} `json:"correlation"`
		Error *struct{ Code, Message string } `json:"error"`
	} `json:"properties"`
}

// took is how long something lasted, as people say it.
func took(from, to string) string {
	a, err := time.Parse(time.RFC3339Nano, from)
	b, err2 := time.Parse(time.RFC3339Nano, to)
	if err != nil || err2 != nil {
		return "-"
	}
	return b.Sub(a).Round(time.Millisecond).String()
}

func clock(text string) string {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func (l *line) workflowRuns() *cobra.Command {
	var status, since, tracking, filter string
	var top int
	cmd := l.ofWorkflow(&cobra.Command{
		Use: "runs WORKFLOW", Short: "List runs, the newest first", Args: cobra.ExactArgs(1),
		Long: `Lists the runs of a workflow that are kept.

  weir workflow runs orders --status Failed --since 24h
  weir workflow runs shop/orders --filter "trigger eq 'manual' and startTime ge 2026-01-01T00:00:00Z"`,
	}, func(ctx context.Context, d *door, at string, _ []string) error {
		wanted, err := runsFilter(filter, status, since, tracking)
		if err != nil {
			return err
		}
		query := url.Values{"$top": {fmt.Sprint(min(top, 250))}}
		if wanted != "" {
			query.Set("$filter", wanted)
		}
		var runs []json.RawMessage
		for next := at + "/runs?" + query.Encode(); next != "" && len(runs) < top; {
			var page struct {
				Value []json.RawMessage `json:"value"`
				Next  string            `json:"nextLink"`
			}
			if err := d.call(ctx, "GET", next, nil, &page); err != nil {
				return err
			}
			runs, next = append(runs, page.Value...), ""
			if u, err := url.Parse(page.Next); err == nil && page.Next != "" {
				next = u.RequestURI()
			}
		}
		runs = runs[:min(len(runs), top)]
		if l.json {
			return l.writeJSON(runs)
		}
		return l.showRuns(runs)
	})
	cmd.Flags().StringVar(&status, "status", "", "Of that status: Running, Waiting, Succeeded, Failed, TimedOut, Cancelled or Suspended.")
	cmd.Flags().StringVar(&since, "since", "", "Started since: a time as 2026-03-01T12:00:00Z, or how long ago it was, as 90m.")
	cmd.Flags().StringVar(&tracking, "tracking", "", "With that client tracking id.")
	cmd.Flags().StringVar(&filter, "filter", "", "As the list takes it ($filter), in place of the others.")
	cmd.Flags().IntVar(&top, "top", 30, "At most so many.")
	return cmd
}

// runsFilter puts a filter together.
func runsFilter(filter, status, since, tracking string) (string, error) {
	if filter != "" {
		return filter, nil
	}
	quoted := func(name, value string) string {
		return name + " eq '" + strings.ReplaceAll(value, "'", "''") + "'"
	}
	var parts []string
	if status != "" {
		parts = append(parts, quoted("status", status))
	}
	if since != "" {
		if ago, err := time.ParseDuration(since); err == nil {
			since = time.Now().Add(-ago).UTC().Format(time.RFC3339)
		} else if _, err := time.Parse(time.RFC3339, since); err != nil {
			return "", usageError{fmt.Errorf("--since %q is neither a time nor how long ago it was", since)}
		}
		parts = append(parts, "startTime ge "+since)
	}
	if tracking != "" {
		parts = append(parts, quoted("clientTrackingId", tracking))
	}
	return strings.Join(parts, " and "), nil
}

func (l *line) showRuns(runs []json.RawMessage) error {
	if len(runs) == 0 {
		fmt.Fprintln(l.Out, "No runs.")
		return nil
	}
	table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RUN\tSTATUS\tSTARTED\tTOOK\tTRIGGER\tTRACKING\tCODE")
	for _, raw := range runs {
		var r workflowRunShape
		if err := json.Unmarshal(raw, &r); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		p := r.Properties
		tracking := p.Correlation.Tracking
		if tracking == r.Name {
			tracking = ""
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, p.Status, clock(p.StartTime), took(p.StartTime, p.EndTime), p.Trigger.Name, dash(tracking), dash(p.Code))
	}
	return table.Flush()
}

func (l *line) workflowRun() *cobra.Command {
	return l.ofWorkflow(&cobra.Command{
		Use: "run WORKFLOW RUN", Short: "Show a run and what each of its actions did", Args: cobra.ExactArgs(2),
	}, func(ctx context.Context, d *door, at string, args []string) error {
		var raw json.RawMessage
		if err := d.call(ctx, "GET", at+"/runs/"+url.PathEscape(args[0])+"?$expand=properties/actions", nil, &raw); err != nil {
			return err
		}
		if l.json {
			return l.writeJSON(raw)
		}
		var r workflowRunShape
		if err := json.Unmarshal(raw, &r); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		p := r.Properties
		fmt.Fprintf(l.Out, "%s  %s  started %s, took %s, by %s\n", r.Name, p.Status, clock(p.StartTime), took(p.StartTime, p.EndTime), p.Trigger.Name)
		if p.Error != nil {
			fmt.Fprintf(l.Out, "%s: %s\n", p.Error.Code, p.Error.Message)
		}
		return l.showActions(ctx, d, at+"/runs/"+url.PathEscape(args[0]))
	})
}

func (l *line) showActions(ctx context.Context, d *door, run string) error {
	table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACTION\tSTATUS\tTOOK\tTIMES\tCODE\tWHY")
	for next := run + "/actions?$top=250"; next != ""; {
		var page struct {
			Value []struct {
				Name       string `json:"name"`
				Properties struct {
					Status     string `json:"status"`
					Code       string `json:"code"`
					StartTime  string `json:"startTime"`
					EndTime    string `json:"endTime"`
					Times      int    `json:"repetitionCount"`
					Iterations int    `json:"iterationCount"`
					Error      *struct{ Message string }
				} `json:"properties"`
			} `json:"value"`
			Next string `json:"nextLink"`
		}
		if err := d.call(ctx, "GET", next, nil, &page); err != nil {
			return err
		}
		for _, a := range page.Value {
			p, why, times := a.Properties, "", "-"
			if p.Error != nil {
				why = p.Error.Message
			}
			if n := max(p.Times, p.Iterations); n > 0 {
				times = fmt.Sprint(n)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", a.Name, p.Status, took(p.StartTime, p.EndTime), times, dash(p.Code), why)
		}
		next = ""
		if u, err := url.Parse(page.Next); err == nil && page.Next != "" {
			next = u.RequestURI()
		}
	}
	return table.Flush()
}

// many is what happens to runs that are named, or that a filter finds.
func (l *line) many(verb, short, long string, from *[]string) *cobra.Command {
	var filter string
	var most int
	cmd := l.ofWorkflow(&cobra.Command{Use: verb + " WORKFLOW [RUN...]", Short: short, Long: long, Args: cobra.MinimumNArgs(1)},
		func(ctx context.Context, d *door, at string, runs []string) error {
			if (len(runs) > 0) == (filter != "") {
				return usageError{fmt.Errorf("say which runs: their names, or --filter \"status eq 'Failed'\"")}
			}
			if from != nil && len(*from) > 0 {
				return l.resubmitFrom(ctx, d, at, runs, *from)
			}
			body, err := json.Marshal(map[string]any{"runs": runs, "filter": filter, "most": most})
			if err != nil {
				return err
			}
			var done struct {
				Value []struct {
					Name, Run, Status string
					Error             *struct{ Message string }
				} `json:"value"`
				More bool `json:"more"`
			}
			if err := d.call(ctx, "POST", at+"/runs/"+verb, body, &done); err != nil {
				return err
			}
			if l.json {
				return l.writeJSON(done)
			}
			failed := 0
			for _, r := range done.Value {
				line := r.Name + "  " + r.Status
				if r.Run != "" {
					line = r.Name + "  again as " + r.Run
				}
				if r.Error != nil {
					line += ": " + r.Error.Message
					failed++
				}
				fmt.Fprintln(l.Out, line)
			}
			if done.More {
				fmt.Fprintln(l.Err, "There are more: say it again.")
			}
			if failed > 0 {
				return fmt.Errorf("%s could not be done", plural(failed, "run"))
			}
			return nil
		})
	cmd.Flags().StringVar(&filter, "filter", "", "Runs that this finds, the newest first, as weir workflow runs --filter.")
	cmd.Flags().IntVar(&most, "most", 0, "With --filter: at most so many. Not given: 250.")
	return cmd
}

func (l *line) workflowCancel() *cobra.Command {
	return l.many("cancel", "End runs that go on", `Cancels runs: their actions are called off, and what had not begun does not.

  weir workflow cancel orders 08584063417835627890920049667CU00
  weir workflow cancel orders --filter "status eq 'Running' and startTime lt 2026-01-01T00:00:00Z"`, nil)
}

func (l *line) workflowResubmit() *cobra.Command {
	var from []string
	cmd := l.many("resubmit", "Start runs again with what started them", `Starts new runs with the current definition and the trigger of the old ones.

  weir workflow resubmit orders --filter "status eq 'Failed'"
  weir workflow resubmit orders 08584063417835627890920049667CU00 --from Send_mail`, &from)
	cmd.Flags().StringSliceVar(&from, "from", nil, "Begin with these actions; those before them keep what they gave.")
	return cmd
}

func (l *line) resubmitFrom(ctx context.Context, d *door, at string, runs, from []string) error {
	var actions []map[string]string
	for _, name := range from {
		actions = append(actions, map[string]string{"name": name})
	}
	body, err := json.Marshal(map[string]any{"actionsToResubmit": actions})
	if err != nil {
		return err
	}
	for _, run := range runs {
		var made workflowRunShape
		if err := d.call(ctx, "POST", at+"/runs/"+url.PathEscape(run)+"/resubmit", body, &made); err != nil {
			return err
		}
		fmt.Fprintf(l.Out, "%s  again as %s\n", run, made.Name)
	}
	return nil
}

// theTrigger is the trigger that is named, or the only one.
func theTrigger(ctx context.Context, d *door, at string, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	var list struct {
		Value []struct{ Name string } `json:"value"`
	}
	if err := d.call(ctx, "GET", at+"/triggers", nil, &list); err != nil {
		return "", err
	}
	var names []string
	for _, t := range list.Value {
		names = append(names, t.Name)
	}
	if len(names) != 1 {
		return "", usageError{fmt.Errorf("the workflow has %s: say which: %s", plural(len(names), "trigger"), strings.Join(names, ", "))}
	}
	return names[0], nil
}

func (l *line) workflowTrigger() *cobra.Command {
	return l.ofWorkflow(&cobra.Command{
		Use: "trigger WORKFLOW [TRIGGER]", Short: "Fire a trigger now", Args: cobra.RangeArgs(1, 2),
		Long: "Fires a trigger at once: what has times starts a run, what looks for something looks.",
	}, func(ctx context.Context, d *door, at string, args []string) error {
		name, err := theTrigger(ctx, d, at, args)
		if err != nil {
			return err
		}
		var made workflowRunShape
		if err := d.call(ctx, "POST", at+"/triggers/"+url.PathEscape(name)+"/run", nil, &made); err != nil {
			return err
		}
		if made.Name == "" {
			fmt.Fprintln(l.Out, name+" looks; when it finds something, runs start.")
			return nil
		}
		fmt.Fprintln(l.Out, made.Name)
		return nil
	})
}

func (l *line) workflowRepeat() *cobra.Command {
	var status int
	var body string
	cmd := l.ofWorkflow(&cobra.Command{
		Use: "repeat WORKFLOW RUN ACTION", Short: "Decide about calls that a failover left open", Args: cobra.ExactArgs(3),
		Long: `An action with "metadata": {"weir.idempotent": false} is not repeated by itself when nobody
knows how its last call ended: it is Suspended, and its run waits. This makes the call again;
with --status it is taken for answered instead, with that status and --body (JSON).`,
	}, func(ctx context.Context, d *door, at string, args []string) error {
		order := map[string]any{}
		if status != 0 {
			answer := map[string]any{"statusCode": status}
			if body != "" {
				if !json.Valid([]byte(body)) {
					return usageError{fmt.Errorf("--body is JSON, not %q", body)}
				}
				answer["body"] = json.RawMessage(body)
			}
			order["answer"] = answer
		} else if body != "" {
			return usageError{fmt.Errorf("--body is what was answered with --status: give both")}
		}
		text, err := json.Marshal(order)
		if err != nil {
			return err
		}
		var done struct{ Decided int }
		if err := d.call(ctx, "POST", at+"/runs/"+url.PathEscape(args[0])+"/actions/"+url.PathEscape(args[1])+"/repeat", text, &done); err != nil {
			return err
		}
		fmt.Fprintf(l.Out, "decided about %s of %s\n", plural(done.Decided, "call"), args[1])
		return nil
	})
	cmd.Flags().IntVar(&status, "status", 0, "Status that the call is taken to be answered with.")
	cmd.Flags().StringVar(&body, "body", "", "Body of that answer, as JSON.")
	return cmd
}

func (l *line) workflowURL() *cobra.Command {
	return l.ofWorkflow(&cobra.Command{
		Use: "url WORKFLOW [TRIGGER]", Short: "Print the address that a trigger is called at", Args: cobra.RangeArgs(1, 2),
		Long: "Prints the signed address of a trigger. Whoever has it may start runs.",
	}, func(ctx context.Context, d *door, at string, args []string) error {
		name, err := theTrigger(ctx, d, at, args)
		if err != nil {
			return err
		}
		var where struct {
			Value string `json:"value"`
		}
		if err := d.call(ctx, "POST", at+"/triggers/"+url.PathEscape(name)+"/listCallbackUrl", nil, &where); err != nil {
			return err
		}
		fmt.Fprintln(l.Out, where.Value)
		return nil
	})
}
