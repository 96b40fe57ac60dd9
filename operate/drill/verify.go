package drill

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"weir/operate/evidence"
)

// verify is `weir drill verify`.
func verify() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: "verify FILE...", Short: "Check that records are what was signed", Args: cobra.MinimumNArgs(1), SilenceUsage: true,
		Long: `Checks that records are what was signed, and says by which key. A record carries that
key: whoever changes one can sign it again with a key of their own. --signer names the
key that it must be, as the drill showed it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, file := range args {
				r, signer, err := evidence.Read(file)
				if err != nil {
					return err
				}
				if by != "" && signer != by {
					return fmt.Errorf("%s was signed by %s, not by %s", file, signer, by)
				}
				verdict := "everything held"
				if !r.Good() {
					verdict = "NOT everything held: " + broken(r)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: group %s, %s, %s: %s; signed by %s\n", file, r.Group, r.Kind, r.Began.UTC().Format(time.RFC3339), verdict, signer)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&by, "signer", "", "Fingerprint of the key that must have signed.")
	return cmd
}
