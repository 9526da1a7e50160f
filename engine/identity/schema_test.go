package identity

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSchema(t *testing.T) {
	schema := Schema{Types: []ObjectType{
		{Name: "person", Anchor: []string{"company", "id"}, Attributes: []AttributeType{
			{Name: "id", Type: TypeInteger},
			{Name: "company", Type: TypeString},
			{Name: "phones", Type: TypeString, Multi: true},
		}},
		{Name: "group"},
	}}
	person := schema.Type("person")
	if person != &schema.Types[0] || schema.Type("group") != &schema.Types[1] {
		t.Fatal("Type finds the wrong type")
	}
	if schema.Type("Person") != nil || schema.Type("") != nil || (Schema{}).Type("person") != nil {
		t.Error("Type finds a type that is not there")
	}
	if person.Attribute("phones") != &person.Attributes[2] || person.Attribute("Phones") != nil {
		t.Error("Attribute finds the wrong attribute")
	}
	if diff := cmp.Diff([]string{"id", "company", "phones"}, person.Names()); diff != "" {
		t.Errorf("Names: %s", diff)
	}
}
