package workflow

import (
	"strings"
	"time"

	"weir/kernel/resource"
	"weir/service/workflow/internal/callback"
)

// Said gives the properties that the engine says of a workflow or a site, to be shown
// with it.
func (s *Service) Said(d resource.Document) map[string]any {
	sp := s.spaceOf(d.ID)
	endpoint := ""
	if sp != nil && s.o.Endpoint != nil {
		endpoint = s.o.Endpoint(sp.name)
	}
	switch {
	case strings.EqualFold(d.Type(), typeSite):
		_, host, _ := strings.Cut(endpoint, "://")
		return map[string]any{"defaultHostName": host}
	case strings.EqualFold(d.Type(), typeSiteWorkflow):
		return map[string]any{"health": map[string]any{"state": "Healthy"}}
	case !strings.EqualFold(d.Type(), typeWorkflow):
		return nil
	}
	said := map[string]any{
		"sku": map[string]any{"name": "Consumption"}, "accessEndpoint": endpoint + "/workflows/" + callback.ID(d.ID.String()),
		"createdTime": stamp(d.Created), "changedTime": stamp(d.Updated),
	}
	if sp != nil {
		if v, ok := sp.host.Workflow(d.Name()); ok {
			said["version"] = v.Version
		}
	}
	return said
}

// stamp writes a time as the cloud does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
