package expression

type implementation func(args []any) (any, error)
type lazy func(args []node) (any, error)
