package run

import (
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/space"
)

// A system may be divided into partitions (sync-engine §2.1, §10.1). Each has a
// watermark of its own, and what an import of one does not show is gone only if
// it belonged to that one.

// eachPartition carries out an import of the partition that the step names, or
// of one after the other. A partition that is stopped ends it.
func (s *step) eachPartition(do func() error) error {
	partitions, err := s.partitions()
	if err != nil {
		return err
	}
	if len(partitions) == 0 {
		return s.part(do)
	}
	for i, p := range partitions {
		s.partition = p.Name
		s.last = len(partitions) > 1 && i == len(partitions)-1
		if err := s.part(do); err != nil || s.report.Result.Stopped() {
			return err
		}
	}
	return nil
}

// partitions returns the partitions that the step is about, none for a system
// that is not divided.
func (s *step) partitions() ([]agent.Partition, error) {
	named := s.definition.Partition
	if p, ok := s.agent.Agent.(agent.Partitioner); ok {
		var err error
		if s.known, err = p.Partitions(s.ctx); err != nil {
			return nil, err
		}
	}
	if named == "" {
		if d := s.definition; len(s.known) > 1 && d.Drop+d.Audit+d.Resume != "" {
			err := fault.New(string(NoStartPartition), "agent %q has %d partitions, and a file holds one", s.agent.Name, len(s.known))
			err.Hint = "name a partition in the step"
			return nil, err
		}
		return s.known, nil
	}
	i := slices.IndexFunc(s.known, func(p agent.Partition) bool { return p.Name == named })
	if i < 0 {
		err := fault.New(string(NoStartPartition), "agent %q has no partition %q", s.agent.Name, named)
		err.Hint = hintFor(named, partitionNames(s.known))
		return nil, err
	}
	return s.known[i : i+1], nil
}

func partitionNames(partitions []agent.Partition) []string {
	names := make([]string, len(partitions))
	for i, p := range partitions {
		names[i] = p.Name
	}
	return names
}

// place says what the step is about.
func (s *step) place() string {
	if s.partition != "" {
		return fmt.Sprintf("partition %q of agent %q", s.partition, s.agent.Name)
	}
	return fmt.Sprintf("agent %q", s.agent.Name)
}

// belongs reports whether an object belongs to the partition that the step is
// about. Before an import has shown an object, its name says where it will be.
func (s *step) belongs(c *space.Connector) bool {
	if s.partition == "" || c.Partition == s.partition {
		return true
	}
	if c.Partition != "" {
		return false
	}
	if home := agent.PartitionOf(s.known, c.DN); home != "" {
		return home == s.partition
	}
	// An object from the time before the system was divided: once all partitions
	// have been read without showing it, it is in none of them.
	return s.last && !s.unclean
}

// exportPartition finds the partition that an export is limited to. An export of
// all goes to the system as a whole: the agent knows where its objects are.
func (s *step) exportPartition() error {
	if s.definition.Partition == "" {
		return nil
	}
	_, err := s.partitions()
	s.partition = s.definition.Partition
	return err
}

// leftInterrupted reports whether the export may have left something that an
// interrupted one before it has sent: then the next one has to look at the
// batches of both.
func (x *export) leftInterrupted() bool {
	partial := x.partition != "" || x.definition.Resume != "" || x.halt != "" || x.stoppedAt || x.chosen != nil
	return partial && x.batch > x.confirmed+1
}
