package agent

import (
	"context"

	"github.com/metasync/metasync/engine/identity"
)

// A Partitioner is an agent whose system may be divided into partitions, such as
// the naming contexts of a directory or the domains of a forest. Each is imported
// by itself, with a watermark of its own.
type Partitioner interface {
	// Partitions asks the system for its partitions, always in the same order.
	// None means that it is not divided: then requests name none.
	//
	// Otherwise every import request names one, and its stream, if it is
	// complete, holds every object of that partition and none of another. An
	// export request names one or none.
	Partitions(ctx context.Context) ([]Partition, error)
}

// A Partition is a part of a system.
type Partition struct {
	Name string // as configurations name it

	// Root, with LDAPNames: the name under which all objects of the partition
	// are. The longest root that fits is the one that counts. "" if names do not
	// tell.
	Root string
}

// PartitionOf returns the name of the partition to which an object belongs by
// its DN, "" if the roots do not tell.
func PartitionOf(partitions []Partition, dn string) string {
	parsed, err := identity.ParseDN(dn)
	if err != nil {
		return ""
	}
	name, depth := "", -1
	for _, p := range partitions {
		root, err := identity.ParseDN(p.Root)
		if p.Root == "" || err != nil || len(root) > len(parsed) || len(root) <= depth {
			continue
		}
		if parsed[len(parsed)-len(root):].Fold() == root.Fold() {
			name, depth = p.Name, len(root)
		}
	}
	return name
}
