package identity_test

import (
	"fmt"

	"github.com/metasync/metasync/engine/identity"
)

// A delta is what turns one image of an object into another.
func ExampleDiff() {
	before := identity.Attributes{}.
		Set("sn", identity.String("Berg")).
		Set("phones", identity.String("17"), identity.String("18"))
	after := before.Clone().
		Set("sn", identity.String("Tal")).
		Set("phones", identity.String("18"), identity.String("19"))

	delta := &identity.Delta{Op: identity.Update, Changes: identity.Diff(before, after)}
	for _, c := range delta.Changes {
		fmt.Println(c.Op, c.Name, c.Values, c.Removed)
	}
	fmt.Println(delta.Apply(before).Equal(after))
	// Output:
	// update phones [19] [17]
	// replace sn [Tal] []
	// true
}
