package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"weir/face/api"
)

// ruleKeys is the answer of POST {rule}/listKeys.
type ruleKeys struct {
	KeyName                   string `json:"keyName"`
	PrimaryKey                string `json:"primaryKey"`
	SecondaryKey              string `json:"secondaryKey"`
	PrimaryConnectionString   string `json:"primaryConnectionString"`
	SecondaryConnectionString string `json:"secondaryConnectionString"`
}

// namespaceType is whose keys weir keys prints.
const namespaceType = "Microsoft.ServiceBus/namespaces"

func (l *line) keys() *cobra.Command {
	var rule, host string
	cmd := l.remote(&cobra.Command{
		Use: "keys [NAMESPACE]", Short: "Print the connection strings of a namespace", Args: cobra.MaximumNArgs(1),
		Long: `Print the keys and connection strings of an authorization rule of a namespace; without
a name, of the default one. They are random and as good as a password.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := l.door()
			if err != nil {
				return err
			}
			var s api.Status
			if err := d.call(cmd.Context(), "GET", "/status", nil, &s); err != nil {
				return err
			}
			namespace := strings.Join(args, "")
			if namespace == "" {
				namespace = s.Namespace
			}
			if host == "" {
				host = hostOf(namespace, s.Namespace)
			}
			return l.showKeys(cmd.Context(), d, s.Scope+"/providers/"+namespaceType+"/"+namespace+"/authorizationRules/"+rule, host)
		},
	}, "trust")
	cmd.Flags().StringVar(&rule, "rule", "RootManageSharedAccessKey", "Authorization rule whose keys are printed.")
	cmd.Flags().StringVar(&host, "host", "", "Host name clients reach the server by; its first label chooses the namespace. Not given: localhost, or NAMESPACE.localhost.")
	return cmd
}

// hostOf is a host name on this machine that leads to a namespace.
func hostOf(namespace, byDefault string) string {
	if strings.EqualFold(namespace, byDefault) {
		return "localhost"
	}
	return namespace + ".localhost"
}

func (l *line) showKeys(ctx context.Context, d *door, id, host string) error {
	body, err := json.Marshal(map[string]string{"endpoint": "sb://" + host + "/"})
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := d.call(ctx, "POST", path(id)+"/listKeys", body, &raw); err != nil {
		return err
	}
	if l.json {
		return l.writeJSON(raw)
	}
	var k ruleKeys
	if err := json.Unmarshal(raw, &k); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	fmt.Fprintln(l.Out, k.PrimaryConnectionString)
	fmt.Fprintf(l.Err, "Clients look for %s at port 5671, in TLS; \"weir ca\" prints the authority they should trust.\n", host)
	return nil
}
