package definition

// Limits bound a definition. Going over one that ends in Max is an error; over one
// of the cloud's own that this engine does not need is a warning, since such a
// definition runs here and could not go back.
type Limits struct {
	ActionsMax, ActionsCloud   int
	DepthMax, DepthCloud       int
	TriggersMax                int
	NameCharsMax               int
	DescriptionCharsMax        int
	ExpressionCharsMax         int
	SwitchCasesMax             int
	VariablesMax               int
	OutputsMax                 int
	ParametersMax              int
	RunsMax                    int
	WaitingRunsMax             int
	RepetitionsMax             int
	UntilCountMax              int
	RetryCountMax              int
	RetryMinimum, RetryMaximum string
	BatchMessagesMax           int
	PageItemsMax               int
}

// LimitsOf gives the limits that the cloud has where a definition comes from.
func LimitsOf(h Host, stateless bool) Limits {
	l := Limits{
		ActionsMax: 5_000, ActionsCloud: 500,
		DepthMax: 32, DepthCloud: 8,
		TriggersMax: 10, NameCharsMax: 80, DescriptionCharsMax: 256, ExpressionCharsMax: 8_192,
		SwitchCasesMax: 25, VariablesMax: 250, OutputsMax: 10, ParametersMax: 50,
		RunsMax: 100, WaitingRunsMax: 100, RepetitionsMax: 50, UntilCountMax: 5_000,
		RetryCountMax: 90, RetryMinimum: "PT5S", RetryMaximum: "P1D",
		BatchMessagesMax: 8_000, PageItemsMax: 100_000,
	}
	if h == Standard {
		l.ParametersMax, l.WaitingRunsMax = 500, 200
		if stateless {
			l.UntilCountMax, l.RetryMinimum, l.RetryMaximum = 100, "PT1S", "PT1M"
		}
	}
	if h == PowerAutomate {
		l.NameCharsMax, l.DescriptionCharsMax, l.ParametersMax = 128, 1_024, 500
	}
	return l
}
