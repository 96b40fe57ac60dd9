package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weir/face/api"
)

func (l *line) deploy() *cobra.Command {
	var f templateFlags
	cmd := l.remote(&cobra.Command{
		Use: "deploy FILE...", Short: "Apply files of resources, or deploy a template", Args: cobra.MinimumNArgs(1),
		Long: `Apply resource documents: YAML, JSON, or the Config.json of the Service Bus
emulator. A file with a mistake is refused whole; applying what is already there
changes nothing. "-" reads standard input.

  type: Microsoft.ServiceBus/namespaces/queues
  name: sbemulatorns/orders
  properties: {lockDuration: PT30S, maxDeliveryCount: 5}

Azure Resource Manager templates (JSON with a $schema of deploymentTemplate.json; of
Bicep, what "bicep build" makes) are deployed: everything is checked before anything is
changed, and what becomes of each resource is told as it goes.`,
		Example: `  weir deploy estate.yaml
  weir deploy main.json -p west.parameters.json -p sku=Premium
  weir deploy main.json -p west.parameters.json --what-if
  weir deploy main.json -g shop --mode complete --skip-unknown`,
		RunE: func(cmd *cobra.Command, files []string) error {
			d, err := l.door()
			if err != nil {
				return err
			}
			all := api.Deployed{Resources: []api.Outcome{}}
			applied := false
			for _, file := range files {
				if strings.HasSuffix(file, ".bicep") {
					return usageError{fmt.Errorf("%s is Bicep: write its JSON with \"bicep build %s\", and deploy that", file, file)}
				}
				data, err := l.read(file)
				if err != nil {
					return err
				}
				if readTemplate(data) != nil {
					if err := l.deployTemplate(cmd.Context(), d, file, data, f); err != nil {
						return fmt.Errorf("%s: %w", file, err)
					}
					continue
				}
				if f.given() {
					return usageError{fmt.Errorf("%s is no template: parameters, groups and modes are for templates, whose $schema is deploymentTemplate.json", file)}
				}
				one, err := l.deployFile(cmd.Context(), d, file, data)
				if err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				all.Resources, applied = append(all.Resources, one.Resources...), true
			}
			if !applied {
				return nil
			}
			return l.showDeployed(all)
		},
	}, "look")
	f.add(cmd)
	cmd.Flags().StringVar(&f.mode, "mode", "", "incremental, or complete: delete what is in the resource group and not in the template.")
	cmd.Flags().BoolVar(&f.whatIf, "what-if", false, "Say what would change, and change nothing.")
	return cmd
}

// deployed is a deployment as the server tells of it.
type deployed struct {
	ID         string `json:"id"`
	Properties struct {
		ProvisioningState string                     `json:"provisioningState"`
		Duration          string                     `json:"duration"`
		Outputs           map[string]json.RawMessage `json:"outputs"`
		Warnings          []struct{ Message string } `json:"warnings"`
		Error             *failed                    `json:"error"`
	} `json:"properties"`
}

// failed is an error in a deployment.
type failed struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Target  string   `json:"target"`
	Details []failed `json:"details"`
}

// operation is what became of a resource.
type operation struct {
	depth       int    // in deployments of the template
	OperationID string `json:"operationId"`
	Properties  struct {
		ProvisioningState string `json:"provisioningState"`
		Outcome           string `json:"weirOutcome"`
		Duration          string `json:"duration"`
		StatusMessage     *struct {
			Error failed `json:"error"`
		} `json:"statusMessage"`
		TargetResource struct {
			ID   string `json:"id"`
			Type string `json:"resourceType"`
			Name string `json:"resourceName"`
		} `json:"targetResource"`
	} `json:"properties"`
}

// state is how an operation stands, in a word.
func (o operation) state() string {
	switch o.Properties.ProvisioningState {
	case "Succeeded":
		if o.Properties.Outcome != "" {
			return o.Properties.Outcome
		}
		return "done"
	case "NotStarted":
		return "not begun"
	case "Skipped":
		return "left out"
	}
	return strings.ToLower(o.Properties.ProvisioningState)
}

// askEvery is how often a deployment is asked how it goes.
const askEvery = 300 * time.Millisecond

func (l *line) deployTemplate(ctx context.Context, d *door, file string, data []byte, f templateFlags) error {
	one, err := l.deploymentOf(ctx, d, file, data, f)
	if err != nil {
		return err
	}
	if f.whatIf {
		changes, err := l.changesOf(ctx, d, one)
		if err != nil {
			return err
		}
		return l.showChanges(changes, "")
	}
	var raw json.RawMessage
	if err := d.call(ctx, "PUT", one.path+"?api-version=2024-11-01", one.body, &raw); err != nil {
		return err
	}
	told := map[string]string{}
	for {
		var now deployed
		if err := json.Unmarshal(raw, &now); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		ops, err := l.operations(ctx, d, one.path)
		if err != nil {
			return err
		}
		if s := now.Properties.ProvisioningState; s != "Running" && s != "Accepted" {
			return l.result(ctx, d, one, raw, now, ops)
		}
		l.progress(ops, told)
		select {
		case <-ctx.Done():
			return fmt.Errorf("the deployment %s goes on; weir get %s tells how it ends", one.name, one.path)
		case <-time.After(askEvery):
		}
		if err := d.call(ctx, "GET", one.path, nil, &raw); err != nil {
			return err
		}
	}
}

func (l *line) operations(ctx context.Context, d *door, path string) ([]operation, error) {
	at, err := url.PathUnescape(path)
	if err != nil {
		return nil, err
	}
	raw, err := collect(ctx, d, at+"/operations")
	if err != nil {
		return nil, err
	}
	ops := make([]operation, len(raw))
	for i := range raw {
		if err := json.Unmarshal(raw[i], &ops[i]); err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
	}
	return ops, nil
}

// progress tells what has changed since it was last told.
func (l *line) progress(ops []operation, told map[string]string) {
	for _, o := range ops {
		state := o.state()
		if state == told[o.OperationID] || state == "not begun" || state == "left out" || state == "running" {
			continue
		}
		told[o.OperationID] = state
		fmt.Fprintf(l.Err, "  %s %s: %s\n", o.Properties.TargetResource.Type, o.Properties.TargetResource.Name, state)
	}
}

// result writes the table of what became of each resource, and fails when it did.
func (l *line) result(ctx context.Context, d *door, one deployment, raw json.RawMessage, now deployed, ops []operation) error {
	for _, w := range now.Properties.Warnings {
		fmt.Fprintf(l.Err, "warning: %s\n", w.Message)
	}
	if l.json {
		if err := l.writeJSON(raw); err != nil {
			return err
		}
	} else if err := l.resultTable(l.withNested(ctx, d, ops, 0), now); err != nil {
		return err
	}
	if now.Properties.ProvisioningState != "Succeeded" {
		return errors.New(failureText(one.name, now))
	}
	fmt.Fprintf(l.Err, "deployment %s: %s, %s\n", one.name, plural(len(ops), "resource"), strings.ToLower(strings.TrimPrefix(now.Properties.Duration, "PT")))
	return nil
}

// nestedMax bounds deployments in each other that are told of.
const nestedMax = 8

// withNested puts what nested deployments did behind each of them.
func (l *line) withNested(ctx context.Context, d *door, ops []operation, depth int) []operation {
	var all []operation
	for _, o := range ops {
		o.depth = depth
		all = append(all, o)
		target := o.Properties.TargetResource
		if !strings.EqualFold(target.Type, "Microsoft.Resources/deployments") || depth == nestedMax || o.state() == "not begun" {
			continue
		}
		if inner, err := l.operations(ctx, d, path(target.ID)); err == nil { // a table without them is still true
			all = append(all, l.withNested(ctx, d, inner, depth+1)...)
		}
	}
	return all
}

func (l *line) resultTable(ops []operation, now deployed) error {
	table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
	if len(ops) > 0 {
		fmt.Fprintln(table, "OUTCOME\tTYPE\tNAME\tTOOK")
	}
	for _, o := range ops {
		fmt.Fprintf(table, "%s\t%s%s\t%s\t%s\n", o.state(), strings.Repeat("  ", o.depth), o.Properties.TargetResource.Type, o.Properties.TargetResource.Name, dash(strings.ToLower(strings.TrimPrefix(o.Properties.Duration, "PT"))))
	}
	if len(now.Properties.Outputs) > 0 {
		fmt.Fprintln(table, "\nOUTPUT\tVALUE")
	}
	for _, name := range slices.Sorted(maps.Keys(now.Properties.Outputs)) {
		var output struct{ Value json.RawMessage }
		if err := json.Unmarshal(now.Properties.Outputs[name], &output); err != nil {
			return fmt.Errorf("read the output %s: %w", name, err)
		}
		value := string(output.Value)
		if value == "" {
			value = "(secret)"
		}
		fmt.Fprintf(table, "%s\t%s\n", name, value)
	}
	return table.Flush()
}

func failureText(name string, now deployed) string {
	text := fmt.Sprintf("the deployment %s has ended %s", name, strings.ToLower(now.Properties.ProvisioningState))
	if now.Properties.Error == nil {
		return text
	}
	text += ": " + now.Properties.Error.Message
	return text + details(now.Properties.Error.Details, "\n  ")
}

func details(list []failed, indent string) (text string) {
	for _, one := range list {
		text += indent
		if one.Target != "" {
			text += one.Target + ": "
		}
		text += one.Message
		if len(one.Details) > 0 && !strings.Contains(one.Message, one.Details[0].Message) {
			text += details(one.Details, indent+"  ")
		}
	}
	return text
}
