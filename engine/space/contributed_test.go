package space

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/identity"
)

var (
	fromHR     = Contribution{Connector: identity.NewID(1, 1), Rule: "people", Time: noon}
	fromPortal = Contribution{Connector: identity.NewID(2, 7), Rule: "accounts", Time: noon}
)

// mixedObject has an attribute with two contributors and one that is empty on
// purpose.
func mixedObject() *Object {
	o := fullObject()
	o.SetContributed("mail", []Contributed{
		{identity.String("b@x"), fromPortal},
		{identity.String("a@x"), fromHR},
		{identity.String("a@x"), fromPortal},
	})
	o.SetNull("title", fromPortal)
	return o
}

func TestContributed(t *testing.T) {
	o := mixedObject()
	want := []Contributed{{identity.String("a@x"), fromHR}, {identity.String("b@x"), fromPortal}}
	if diff := cmp.Diff(want, o.Contributed("mail"), sameRecord); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if by, _ := o.Contribution("mail"); by != fromPortal {
		t.Errorf("the attribute came from %+v", by)
	}
	if got := o.ContributedBy(fromHR.Connector); !slices.Equal(got, []string{"mail", "name"}) {
		t.Errorf("HR contributed %q", got)
	}
	if got := o.ContributedBy(fromPortal.Connector); !slices.Equal(got, []string{"boss", "mail", "title"}) {
		t.Errorf("the portal contributed %q", got)
	}
	o.SetContributed("mail", o.Contributed("mail")[:1])
	if by, _ := o.Contribution("mail"); by != fromHR || len(o.mixed) != 0 {
		t.Errorf("with one value left it came from %+v, and %d are mixed", by, len(o.mixed))
	}
	o.SetContributed("mail", nil)
	if _, present := o.Contribution("mail"); present {
		t.Error("without values the attribute is still there")
	}
}

func TestNull(t *testing.T) {
	o := mixedObject()
	by, present := o.Contribution("title")
	if !present || !by.Null || by.Connector != fromPortal.Connector || o.Attributes.Get("title") != nil {
		t.Errorf("title: %+v %t %v", by, present, o.Attributes.Get("title"))
	}
	if got := o.Nulls(); !slices.Equal(got, []string{"title"}) {
		t.Errorf("emptied: %q", got)
	}
	o.SetNull("title", fromHR)
	if by, _ := o.Contribution("title"); by.Connector != fromHR.Connector || len(o.Nulls()) != 1 {
		t.Errorf("emptied again: %+v %q", by, o.Nulls())
	}
	o.Set("title", text("Dr"), fromHR)
	if by, _ := o.Contribution("title"); by.Null || len(o.Nulls()) != 0 {
		t.Errorf("a value came, and it is still empty: %+v", by)
	}
	o.SetNull("name", fromHR)
	if o.Attributes.Get("name") != nil {
		t.Error("an emptied attribute kept its value")
	}
	o.Remove("name")
	if _, present := o.Contribution("name"); present {
		t.Error("a removed attribute is still empty on purpose")
	}
}

func TestDropReference(t *testing.T) {
	one, two := identity.ReferenceTo(identity.NewID(0, 4)), identity.ReferenceTo(identity.NewID(0, 5))
	o := fullObject()
	o.SetContributed("peers", []Contributed{{one, fromHR}, {two, fromPortal}})
	if !o.DropReference(one.Ref()) || o.DropReference(one.Ref()) {
		t.Error("a reference was not dropped once")
	}
	want := []Contributed{{two, fromPortal}}
	if diff := cmp.Diff(want, o.Contributed("peers"), sameRecord); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if o.Attributes.Get("boss") != nil {
		t.Error("the only value of an attribute was kept")
	}
}
