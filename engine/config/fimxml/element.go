package fimxml

import (
	"strings"

	"github.com/metasync/metasync/engine/config/internal/xmltree"
	"github.com/metasync/metasync/engine/fault"
)

// The errors of the reference (sync-engine §3.11).
const (
	errRule     = "sync-rule-validation-parsing-error"
	errFlow     = "sync-rule-invalid-xml-attribute-flow"
	errScope    = "sync-rule-scoping-filter-invalid-xml"
	errOperator = "sync-rule-scoping-filter-invalid-operator"
	errCriteria = "sync-rule-invalid-relationship-criteria-xml"
	errFunction = "sync-rule-invalid-function-xml"
	noteNoPlace = "no-counterpart"
	namespace   = "urn:metasync:rule"
)

type element = xmltree.Element

// parse reads a document. Namespaces that it uses for FIM's own elements are
// dropped. The error is a *fault.Error.
func parse(file string, data []byte) (*element, error) {
	return xmltree.Parse(file, data, namespace, errRule)
}

// inner returns the elements inside an element: its children, or what is escaped in
// its text. All that comes from a text has the place of the element, and an error the
// name.
func inner(e *element, name string) ([]*element, error) {
	if len(e.Children) > 0 || !strings.Contains(e.Chars, "<") {
		return e.Children, nil
	}
	fragment, err := parse("", []byte("<fragment>"+e.Chars+"</fragment>"))
	if err != nil {
		return nil, e.Fail(name, "%s", fault.As(err, name).Text)
	}
	fragment.Move(e.At)
	return fragment.Children[0].Children, nil
}
