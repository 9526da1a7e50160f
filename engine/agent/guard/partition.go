package guard

import (
	"context"
	"slices"

	"github.com/metasync/metasync/engine/agent"
)

// Partitions implements agent.Partitioner: an agent that does not has none.
func (a *keptAgent) Partitions(ctx context.Context) ([]agent.Partition, error) {
	p, divided := a.inner.(agent.Partitioner)
	if !divided {
		return nil, nil
	}
	if err := a.start(); err != nil {
		return nil, err
	}
	var partitions []agent.Partition
	err := a.call(ctx, "Partitions", func() (err error) {
		partitions, err = p.Partitions(ctx)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, p := range partitions {
		if badName(p.Name) || names[p.Name] {
			return nil, a.violation("two partitions are called %q, or one cannot be called so", p.Name)
		}
		names[p.Name] = true
	}
	return slices.Clone(partitions), nil
}
