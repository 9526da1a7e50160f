package rules

import (
	"slices"
	"strings"
)

// OperatorName returns our name of a scope operator, which may be a code of the
// reference in any case. It returns "" for one that there is not.
func OperatorName(operator string) string {
	if name, ok := operatorAliases[strings.ToUpper(operator)]; ok {
		return name
	}
	if slices.Contains(Operators(), operator) {
		return operator
	}
	return ""
}

// OperatorCode returns the reference's code of a scope operator (sync-engine §5.2),
// "" for one that there is not.
func OperatorCode(operator string) string {
	name, found := OperatorName(operator), ""
	for code, alias := range operatorAliases {
		if alias == name && (found == "" || len(code) > len(found)) {
			found = code // one has two, of which the shorter is a slip
		}
	}
	return found
}
