package rules

import "slices"

// Key returns by which text the store knows the rule: its id if it has one. Then a
// new name leaves links and lineage as they are. What the store kept before the rule
// had an id it knows by its name.
func (r *Rule) Key() string {
	if r.ID != "" {
		return r.ID
	}
	return r.Name
}

// Is reports whether the store means the rule by a text.
func (r *InboundRule) Is(stored string) bool { return stored == r.Key || stored == r.Name }

// Is reports whether the store means the rule by a text.
func (r *OutboundRule) Is(stored string) bool { return stored == r.Key || stored == r.Name }

// Among reports whether the store means the rule by one of several texts.
func (r *OutboundRule) Among(stored []string) bool {
	return slices.Contains(stored, r.Key) || r.Key != r.Name && slices.Contains(stored, r.Name)
}

// RuleName returns the name of the rule that the store means by a text. A rule
// that is no longer there is called as the store knows it.
func (s *Set) RuleName(stored string) string {
	if name, ok := s.names[stored]; ok {
		return name
	}
	return stored
}

// RuleNames is [Set.RuleName] for several; the list that it gets stays as it is.
func (s *Set) RuleNames(stored []string) []string {
	names := slices.Clone(stored)
	for i := range names {
		names[i] = s.RuleName(names[i])
	}
	return names
}
