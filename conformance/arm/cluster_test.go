package arm_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	sb "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/servicebus/armservicebus"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

// Every node of a location answers, whichever owns the registry: what one was told the
// others know, links lead back to the node that was asked.
func TestAnyNode(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three nodes")
	}
	cluster, err := server.NewCluster(server.Options{Binary: servertest.Binary(t), Dir: t.TempDir()}, 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	const group, ns = "shop", "any-node"
	for i, node := range cluster.Nodes {
		s := stageOf(t, node)
		f := value[*sb.ClientFactory](s)(sb.NewClientFactory("contoso", s, s.options))
		if i == 0 {
			p, err := f.NewNamespacesClient().BeginCreateOrUpdate(s.ctx, group, ns, sb.SBNamespace{Location: to.Ptr("here")}, nil)
			if made := done(s, p, err); *made.Properties.ProvisioningState != "Succeeded" {
				t.Errorf("made %s", *made.Properties.ProvisioningState)
			}
		}
		queues := f.NewQueuesClient()
		for _, name := range []string{"a", "b"} {
			value[sb.QueuesClientCreateOrUpdateResponse](s)(queues.CreateOrUpdate(s.ctx, group, ns, node.Name()+name, sb.SBQueue{}, nil))
		}
		listed := all(s, queues.NewListByNamespacePager(group, ns, &sb.QueuesClientListByNamespaceOptions{Top: to.Ptr[int32](1)}), func(p sb.QueuesClientListByNamespaceResponse) []*sb.SBQueue { return p.Value })
		if len(listed) != 2*(i+1) {
			t.Errorf("the node %s lists %d queues", node.Name(), len(listed))
		}
		value[sb.NamespacesClientListKeysResponse](s)(f.NewNamespacesClient().ListKeys(s.ctx, group, ns, "RootManageSharedAccessKey", nil))
		_, err := queues.Get(s.ctx, group, ns, "nowhere", nil)
		s.refused(err, 404, "ResourceNotFound", "was not found")
		_, err = queues.CreateOrUpdate(s.ctx, group, ns, "bad", sb.SBQueue{Properties: &sb.SBQueueProperties{MaxDeliveryCount: to.Ptr[int32](0)}}, nil)
		s.refused(err, 400, "BadRequest", "must be at least 1")
	}
	s := stageOf(t, cluster.Nodes[2])
	f := value[*sb.ClientFactory](s)(sb.NewClientFactory("contoso", s, s.options))
	p, err := f.NewNamespacesClient().BeginDelete(s.ctx, group, ns, nil)
	done(s, p, err)
}
