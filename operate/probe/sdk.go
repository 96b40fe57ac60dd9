package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// sdkLine is a connection of the SDK of its own: every check tries the door too.
type sdkLine struct {
	client   *azservicebus.Client
	queue    string
	receiver *azservicebus.SessionReceiver
}

// dial makes a client; the SDK connects when something is sent. A failure is a finding,
// so nothing is tried twice.
func dial(p *Message) (line, error) {
	client, err := azservicebus.NewClientFromConnectionString(p.Connection, &azservicebus.ClientOptions{
		TLSConfig: p.TLS.Clone(), RetryOptions: azservicebus.RetryOptions{MaxRetries: -1}, ApplicationID: "weir-probe",
	})
	if err != nil {
		return nil, fmt.Errorf("the connection string can not be used: %w", err)
	}
	return &sdkLine{client: client, queue: p.Queue}, nil
}

func (l *sdkLine) connect(ctx context.Context, id string) (err error) {
	l.receiver, err = l.client.AcceptSessionForQueue(ctx, l.queue, id, nil)
	return err
}

func (l *sdkLine) send(ctx context.Context, id string) error {
	sender, err := l.client.NewSender(l.queue, nil)
	if err != nil {
		return err
	}
	life := leftoverLife
	return sender.SendMessage(ctx, &azservicebus.Message{
		MessageID: &id, CorrelationID: &id, SessionID: &id, TimeToLive: &life, Body: []byte(time.Now().UTC().Format(time.RFC3339Nano)),
	}, nil)
}

func (l *sdkLine) receive(ctx context.Context) (delivery, error) {
	batch, err := l.receiver.ReceiveMessages(ctx, 1, nil)
	if err != nil {
		return delivery{}, err
	}
	if len(batch) != 1 {
		return delivery{}, fmt.Errorf("%d messages came, not one", len(batch))
	}
	d := delivery{of: batch[0]}
	if batch[0].CorrelationID != nil {
		d.id = *batch[0].CorrelationID
	}
	return d, nil
}

func (l *sdkLine) complete(ctx context.Context, d delivery) error {
	return l.receiver.CompleteMessage(ctx, d.of, nil)
}

func (l *sdkLine) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	_ = l.client.Close(ctx) // the server may be gone
}
