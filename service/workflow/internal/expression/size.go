package expression

// Size is how many bytes a value has as JSON, nearly: signs that are escaped count once.
// It stops counting beyond most.
func Size(v any, most int) int {
	n := 0
	measure(v, most, &n)
	return n
}

func measure(v any, most int, n *int) {
	if *n > most {
		return
	}
	switch v := v.(type) {
	case nil:
		*n += len("null")
	case bool:
		*n += len("true")
	case string:
		*n += len(v) + 2
	case []any:
		*n += 2 + max(len(v)-1, 0)
		for _, item := range v {
			if measure(item, most, n); *n > most {
				return
			}
		}
	case *Object:
		*n += 2 + max(len(v.Members)-1, 0)
		for _, m := range v.Members {
			*n += len(m.Name) + 3
			if measure(m.Value, most, n); *n > most {
				return
			}
		}
	default:
		*n += 8 // a number
	}
}
