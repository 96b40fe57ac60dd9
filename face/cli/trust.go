package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/localca"
)

func (l *line) ca() *cobra.Command {
	var out string
	cmd := l.remote(&cobra.Command{
		Use: "ca", Short: "Print the certificate authority clients should trust", Args: cobra.NoArgs,
		Long: `Print the certificate (PEM) of the local authority that signs the server's TLS
certificate. It is made if the data directory has none yet. A server that was given
certificates of its own (--tls-cert) does not use it.

Clients trust it without a change of code:
  Go        SSL_CERT_FILE=weir-ca.pem        (takes the place of the system's)
  Node      NODE_EXTRA_CA_CERTS=weir-ca.pem
  others    add it to the system's trusted certificates`,
		RunE: func(*cobra.Command, []string) error {
			pem, err := localca.CA(filepath.Join(l.data, "tls"), time.Now())
			if err != nil {
				return err
			}
			if out == "" || out == "-" {
				_, err = l.Out.Write(pem)
				return err
			}
			if err := os.WriteFile(out, pem, 0o644); err != nil {
				return fmt.Errorf("write the certificate: %w", err)
			}
			fmt.Fprintf(l.Err, "wrote %s; let clients trust it with SSL_CERT_FILE=%s (Go) or NODE_EXTRA_CA_CERTS=%s (Node)\n", out, out, out)
			return nil
		},
	}, "trust")
	cmd.Flags().StringVar(&out, "out", "", "File to write to instead of standard output.")
	return cmd
}
