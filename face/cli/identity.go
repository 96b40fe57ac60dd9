package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"weir/face/api"
	"weir/kernel/identity/oidc"
	"weir/kernel/resource/access"
)

// identity is `weir identity`: who there is, and who may do what.
func (l *line) identity() *cobra.Command {
	cmd := &cobra.Command{
		Use: "identity", Short: "Users, applications, and who has which role", GroupID: "trust",
		Long: `Who there is at the server's own identity provider, and who may do what. All of it is
resources: Weir.Identity/*, Microsoft.ManagedIdentity/userAssignedIdentities and
Microsoft.Authorization/roleAssignments, which weir deploy and any ARM client know too.

  weir identity user ann                        a person, with a random password
  weir identity app shop                        an application, and the variables it needs
  weir identity assign "Azure Service Bus Data Sender" shop --at queues/orders
  weir identity assignments                     who has which role where
  weir identity roles                           the roles there are`,
	}
	cmd.AddCommand(l.identityUser(), l.identityApp(), l.identityAssign(), l.identityAssignments(), l.identityRoles())
	return cmd
}

// here is a server with what commands need to know of it.
type here struct {
	*door
	api.Status
}

func (l *line) here(ctx context.Context) (here, error) {
	d, err := l.door()
	if err != nil {
		return here{}, err
	}
	h := here{door: d}
	err = d.call(ctx, "GET", "/status", nil, &h.Status)
	return h, err
}

// in is the id of a resource in the scope the server declares things in.
func (h here) in(typ, name string) string { return h.Scope + "/providers/" + typ + "/" + name }

// put declares a resource and gives its properties.
func (h here) put(ctx context.Context, id string, properties map[string]any) (map[string]any, error) {
	body, err := json.Marshal(map[string]any{"properties": properties})
	if err != nil {
		return nil, err
	}
	var made entry
	err = h.call(ctx, "PUT", path(id), body, &made)
	return made.Properties, err
}

func (l *line) identityUser() *cobra.Command {
	var given bool
	cmd := l.remote(&cobra.Command{
		Use: "user NAME", Short: "Declare a person, or give them a new password", Args: cobra.ExactArgs(1),
		Long: `Declare somebody who signs in with a name and a password, or change the password of
somebody who is there: sign-ins with the old one end. The password is random and printed
once, or read from standard input.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := l.here(cmd.Context())
			if err != nil {
				return err
			}
			password := rand.Text()
			if given {
				if password, err = bufio.NewReader(l.In).ReadString('\n'); err != nil && password == "" {
					return errors.New("standard input holds no password")
				}
				password = strings.TrimRight(password, "\r\n")
			}
			id := h.in(access.TypeUser, args[0])
			var was entry
			properties := map[string]any{}
			if err := h.call(cmd.Context(), "GET", path(id), nil, &was); err == nil {
				properties = was.Properties
			} else if r, ok := errors.AsType[*refusal](err); !ok || r.status != 404 {
				return err
			}
			properties["password"] = password
			made, err := h.put(cmd.Context(), id, properties)
			if err != nil {
				return err
			}
			if l.json {
				out := map[string]any{"name": args[0], "objectId": made["objectId"]}
				if !given {
					out["password"] = password
				}
				return l.writeJSON(out)
			}
			if !given {
				fmt.Fprintln(l.Out, password)
			}
			fmt.Fprintf(l.Err, "%s has the object id %v. They sign in with \"weir login\".\n", args[0], made["objectId"])
			return nil
		},
	}, "")
	cmd.Flags().BoolVar(&given, "password-stdin", false, "Read the password from standard input.")
	return cmd
}

func (l *line) identityApp() *cobra.Command {
	return l.remote(&cobra.Command{
		Use: "app NAME", Short: "Declare an application, and print what it signs in with", Args: cobra.ExactArgs(1),
		Long: `Declare an application, or add a secret to one that is there, and print the variables
that EnvironmentCredential, the first part of DefaultAzureCredential, reads. The secret is
shown this once.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := l.here(cmd.Context())
			if err != nil {
				return err
			}
			id := h.in(access.TypeApp, args[0])
			var made entry
			if err := h.call(cmd.Context(), "GET", path(id), nil, &made); err != nil {
				if r, ok := errors.AsType[*refusal](err); !ok || r.status != 404 {
					return err
				}
				if made.Properties, err = h.put(cmd.Context(), id, map[string]any{}); err != nil {
					return err
				}
			}
			var secret struct{ Secret string }
			if err := h.call(cmd.Context(), "POST", path(id)+"/addSecret", []byte("{}"), &secret); err != nil {
				return err
			}
			authority := "https://" + h.Doors["https"] + "/"
			if l.json {
				return l.writeJSON(map[string]any{"tenantId": access.TenantID, "clientId": made.Properties["clientId"], "objectId": made.Properties["objectId"], "clientSecret": secret.Secret, "authorityHost": authority})
			}
			fmt.Fprintf(l.Out, "AZURE_TENANT_ID=%s\nAZURE_CLIENT_ID=%v\nAZURE_CLIENT_SECRET=%s\nAZURE_AUTHORITY_HOST=%s\n", access.TenantID, made.Properties["clientId"], secret.Secret, authority)
			fmt.Fprintf(l.Err, "Its object id is %v. The program must trust the server's authority (\"weir ca\"), and switch instance discovery off.\n", made.Properties["objectId"])
			return nil
		},
	}, "")
}

var guidText = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func (l *line) identityAssign() *cobra.Command {
	var at string
	var remove bool
	cmd := l.remote(&cobra.Command{
		Use: "assign ROLE WHO", Short: "Give somebody a role", Args: cobra.ExactArgs(2),
		Long: `Give a user, application, managed identity or group a role. ROLE is a name or an id
("weir identity roles"); WHO is a name, or an object id, such as a refusal tells it. --at is
where: a resource id, or what stands behind the namespace's, as queues/orders; not given,
the resource group that the server declares things in. / is everything.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := l.here(cmd.Context())
			if err != nil {
				return err
			}
			scope := h.place(at)
			role, err := h.role(cmd.Context(), scope, args[0])
			if err != nil {
				return err
			}
			who, kind, err := h.whoIs(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			sum := sha256.Sum256([]byte(strings.ToLower(scope + "\x00" + role + "\x00" + who)))
			id := strings.TrimSuffix(scope, "/") + "/providers/" + access.TypeAssignment + "/" + oidc.GUID([16]byte(sum[:16]), 8) // the same the next time
			if remove {
				return h.call(cmd.Context(), "DELETE", path(id), nil, nil)
			}
			p := map[string]any{"roleDefinitionId": "/providers/" + access.TypeRole + "/" + role, "principalId": who}
			if kind != "" {
				p["principalType"] = kind
			}
			if _, err := h.put(cmd.Context(), id, p); err != nil {
				if r, ok := errors.AsType[*refusal](err); !ok || r.Code != "RoleAssignmentExists" {
					return err
				}
			}
			fmt.Fprintf(l.Err, "%s has the role %s at %s.\n", args[1], args[0], scope)
			return nil
		},
	}, "")
	cmd.Flags().StringVar(&at, "at", "", "Where: a resource id, or queues/orders of the default namespace.")
	cmd.Flags().BoolVar(&remove, "remove", false, "Take away what this command gave.")
	return cmd
}

// place is the id of a scope that a person named.
func (h here) place(at string) string {
	switch {
	case at == "":
		return h.Scope
	case strings.HasPrefix(at, "/"):
		return at
	}
	return h.in(namespaceType, h.Namespace) + "/" + at
}

// role finds the id of a role that may be assigned at a scope.
func (h here) role(ctx context.Context, scope, name string) (string, error) {
	if guidText.MatchString(name) {
		return strings.ToLower(name), nil
	}
	all, err := h.list(ctx, strings.TrimSuffix(scope, "/")+"/providers/"+access.TypeRole)
	if err != nil {
		return "", err
	}
	for _, one := range all {
		if known, _ := one.Properties["roleName"].(string); strings.EqualFold(known, name) {
			return one.Name, nil
		}
	}
	return "", fmt.Errorf("no role is called %q; \"weir identity roles\" lists those there are", name)
}

// whoIs finds the object id of somebody by name.
func (h here) whoIs(ctx context.Context, name string) (object, kind string, err error) {
	if guidText.MatchString(name) {
		return strings.ToLower(name), "", nil
	}
	var found []string
	for _, of := range []struct{ typ, id, kind string }{
		{access.TypeUser, "objectId", "User"}, {access.TypeApp, "objectId", "ServicePrincipal"}, {access.TypeManaged, "principalId", "ServicePrincipal"}, {access.TypeGroup, "objectId", "Group"},
	} {
		var one entry
		err := h.call(ctx, "GET", path(h.in(of.typ, name)), nil, &one)
		if r, ok := errors.AsType[*refusal](err); ok && r.status == 404 {
			continue
		}
		if err != nil {
			return "", "", err
		}
		object, _ = one.Properties[of.id].(string)
		kind, found = of.kind, append(found, of.typ)
	}
	switch len(found) {
	case 0:
		return "", "", fmt.Errorf("nobody is called %q here: name a user, application, managed identity or group, or give an object id", name)
	case 1:
		return object, kind, nil
	}
	return "", "", fmt.Errorf("%q is the name of several (%s): give the object id", name, strings.Join(found, ", "))
}

func (h here) list(ctx context.Context, id string) ([]entry, error) {
	raw, err := collect(ctx, h.door, id)
	if err != nil {
		return nil, err
	}
	all := make([]entry, len(raw))
	for i := range raw {
		if err := json.Unmarshal(raw[i], &all[i]); err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
	}
	return all, nil
}

func (l *line) identityAssignments() *cobra.Command {
	var at string
	cmd := l.remote(&cobra.Command{
		Use: "assignments", Short: "Show who has which role where", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := l.here(cmd.Context())
			if err != nil {
				return err
			}
			all, err := h.list(cmd.Context(), strings.TrimSuffix(h.place(at), "/")+"/providers/"+access.TypeAssignment)
			if err != nil || l.json {
				return errors.Join(err, l.jsonOf(all))
			}
			names, err := h.names(cmd.Context())
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "WHO\tROLE\tWHERE")
			for _, one := range all {
				role, _ := one.Properties["roleDefinitionId"].(string)
				role = role[strings.LastIndexByte(role, '/')+1:]
				who, _ := one.Properties["principalId"].(string)
				fmt.Fprintf(table, "%s\t%s\t%v\n", names.of(who), names.of(role), one.Properties["scope"])
			}
			return table.Flush()
		},
	}, "")
	cmd.Flags().StringVar(&at, "at", "", "There, above it and below it: a resource id, or queues/orders of the default namespace.")
	return cmd
}

// jsonOf writes what was asked for as JSON, where there is something.
func (l *line) jsonOf(all []entry) error {
	if all == nil {
		return nil
	}
	return l.writeJSON(all)
}

// names are those of ids, by the id in lower case.
type names map[string]string

func (n names) of(id string) string {
	if name := n[strings.ToLower(id)]; name != "" {
		return name
	}
	return id
}

// names gathers what people call the roles and principals there are.
func (h here) names(ctx context.Context) (names, error) {
	n := names{}
	for _, of := range []struct{ typ, id string }{
		{access.TypeRole, ""}, {access.TypeUser, "objectId"}, {access.TypeApp, "objectId"}, {access.TypeManaged, "principalId"}, {access.TypeGroup, "objectId"},
	} {
		all, err := h.list(ctx, h.Scope+"/providers/"+of.typ)
		if err != nil {
			return nil, err
		}
		for _, one := range all {
			id, _ := one.Properties[of.id].(string)
			name := one.Name
			if of.id == "" {
				id = one.Name
				name, _ = one.Properties["roleName"].(string)
			}
			n[strings.ToLower(id)] = name
		}
	}
	return n, nil
}

func (l *line) identityRoles() *cobra.Command {
	return l.remote(&cobra.Command{
		Use: "roles", Short: "Show the roles there are", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := l.here(cmd.Context())
			if err != nil {
				return err
			}
			all, err := h.list(cmd.Context(), h.Scope+"/providers/"+access.TypeRole)
			if err != nil || l.json {
				return errors.Join(err, l.jsonOf(all))
			}
			table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "ROLE\tID\tFOR")
			for _, one := range all {
				fmt.Fprintf(table, "%v\t%s\t%v\n", one.Properties["roleName"], one.Name, one.Properties["description"])
			}
			return table.Flush()
		},
	}, "")
}
