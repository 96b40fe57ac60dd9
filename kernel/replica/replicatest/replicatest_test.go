package replicatest_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
)

func TestShelfIsAMachine(t *testing.T) {
	replicatest.Run(t, func() *replicatest.Shelf { return &replicatest.Shelf{} }, func(s *replicatest.Shelf, turn *replica.Turn, rng *rand.Rand) {
		key := fmt.Sprint("key ", rng.IntN(20))
		if rng.IntN(4) == 0 {
			s.Delete(turn, key)
			return
		}
		for range rng.IntN(5) {
			s.Put(turn, key, make([]byte, rng.IntN(2000)))
		}
	})
}
