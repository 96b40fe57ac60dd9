package workflow

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow/connection"
	"weir/service/workflow/internal/expression"
)

// ofSite finds a connection in a site's connections.json.
func (c *Connections) ofSite(ctx context.Context, site resource.ID, r connection.Reference) (*connection.Connection, error) {
	app, err := AppOf(ctx, c.from, site)
	if fault.Is(err, fault.NotFound) {
		return nil, connection.Missed("The site %s is not declared in this location.", site)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", site, err)
	}
	name := r.Name
	if name == "" {
		name = connection.Last(r.ID)
	}
	entry := object(object(parsed(string(app.Connections)), string(r.Kind)), name)
	if entry == nil {
		return nil, connection.Missed("The site %q has no connection %q in this location: put {%q: {%q: {…}}} into its connections.json (%s/config/connections).", site.Name(), name, r.Kind, name, site)
	}
	v, err := siteContext{app: app, site: site}.eval(entry)
	if err != nil {
		var missing *connection.Missing
		if errors.As(err, &missing) {
			return nil, connection.Missed("The connection %q cannot be used: %s", name, missing.Message)
		}
		return nil, connection.Missed("The connection %q of the site %q cannot be read: %s", name, site.Name(), err)
	}
	whole, _ := v.(*expression.Object)
	conn := &connection.Connection{Name: name, Values: object(whole, "parameterValues"), Authentication: authentication(object(whole, "authentication"))}
	conn.Hidden = texts(texts(nil, conn.Values), object(whole, "authentication"))
	switch r.Kind {
	case connection.Provider:
		conn.API = connection.Last(member(object(whole, "serviceProvider"), "id"))
		conn.Values = with(conn.Values, object(whole, "additionalParameterValues"))
		if set := member(whole, "parameterSetName"); set != "" {
			conn.Values = with(conn.Values, expression.NewObject("parameterSetName", set))
		}
		return conn, c.describe(ctx, conn, "", site.Scope()) // an API may stand for the provider
	case connection.Function:
		conn.API, conn.Base = member(object(whole, "function"), "id"), member(whole, "triggerUrl")
	case connection.Management:
		conn.API, conn.Base = member(whole, "apiId"), member(whole, "baseUrl")
		conn.Values = with(conn.Values, expression.NewObject("subscriptionKey", member(whole, "subscriptionKey")))
		conn.Hidden = append(conn.Hidden, member(whole, "subscriptionKey"))
	default:
		return conn, c.managed(ctx, conn, whole, site)
	}
	return conn, nil
}

// managed completes a connection to a managed API: with its resource, when it is declared
// here, else with the address that connections.json has.
func (c *Connections) managed(ctx context.Context, conn *connection.Connection, entry *expression.Object, site resource.ID) error {
	apiID := member(object(entry, "api"), "id")
	conn.API, conn.Base = connection.Last(apiID), strings.TrimRight(member(entry, "connectionRuntimeUrl"), "/")
	runtime := conn.Base
	if id, err := resource.ParseID(member(object(entry, "connection"), "id")); err == nil && strings.EqualFold(id.Type(), typeConnection) {
		d, found, err := c.get(ctx, id)
		if err != nil {
			return err
		}
		if found {
			declared, err := c.read(ctx, d, site)
			if err != nil {
				return err
			}
			declared.Name, declared.Hidden = conn.Name, append(declared.Hidden, conn.Hidden...)
			if declared.Base == "" && conn.Base != "" {
				declared.Base, declared.Authentication = conn.Base, conn.Authentication
			}
			*conn = *declared
			return nil
		}
	}
	if err := c.describe(ctx, conn, apiID, site.Scope()); err != nil {
		return err
	}
	if conn.Base != runtime {
		conn.Authentication = nil // what connections.json has is for Azure's own address
	}
	return nil
}

// authentication turns that of connections.json into that of the Http action.
func authentication(a *expression.Object) *expression.Object {
	if a == nil || !strings.EqualFold(member(a, "type"), "Raw") || member(a, "value") != "" {
		return a
	}
	return expression.NewObject("type", "Raw", "value", strings.TrimSpace(member(a, "scheme")+" "+member(a, "parameter")))
}
