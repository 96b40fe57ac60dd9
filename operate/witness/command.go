package witness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// stopWithin bounds how long requests under way hold up the end.
const stopWithin = 5 * time.Second

// Command is `weir witness`.
func Command() *cobra.Command {
	var o Options
	var secretFile, cert, key string
	cmd := &cobra.Command{
		Use: "witness", Short: "Run a witness: a vote, in a third place, on which location owns a group", Args: cobra.NoArgs,
		SilenceUsage: true,
		Long: `A witness keeps which location owns which continuity group. It holds no data and needs
next to nothing, but a place of its own: on the machines of either location it would go
down with them. Locations name it in their groups ("witnesses"), with the same secret.

With one witness and two locations, any one of the three may be away: while two of them
hear each other, one location owns.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Secret, err = readSecret(secretFile); err != nil {
				return err
			}
			if cert != "" || key != "" {
				pair, err := tls.LoadX509KeyPair(cert, key)
				if err != nil {
					return fmt.Errorf("the certificate (--tls-cert, --tls-key): %w", err)
				}
				o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
			}
			o.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			w, err := Start(o)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "The witness listens on %s. Ctrl-C ends it.\n", w.Addr())
			<-cmd.Context().Done()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), stopWithin)
			defer cancel()
			return w.Stop(ctx)
		},
	}
	home, _ := os.UserHomeDir() // without one the flag must be given
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:7800", "Address to listen on, HOST:PORT.")
	f.StringVar(&o.Data, "data", filepath.Join(home, ".weir-witness"), "Directory that keeps what was granted.")
	f.StringVar(&secretFile, "secret-file", "", "File with the secret that locations know, at least 16 characters. Not given: WEIR_WITNESS_SECRET.")
	f.StringVar(&cert, "tls-cert", "", "Certificate (PEM) to speak HTTPS with.")
	f.StringVar(&key, "tls-key", "", "Key (PEM) of the certificate.")
	return cmd
}

func readSecret(file string) (string, error) {
	if file == "" {
		if secret := os.Getenv("WEIR_WITNESS_SECRET"); secret != "" {
			return secret, nil
		}
		return "", errors.New("a witness needs the secret that its locations know: --secret-file FILE")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the secret (--secret-file): %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}
