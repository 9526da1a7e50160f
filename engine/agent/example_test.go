package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

// A Phonebook is a connected system that can only be read.
type Phonebook struct {
	names []string // in the order in which pages deliver them
	phone map[string]string
}

var schema = identity.Schema{Types: []identity.ObjectType{{
	Name: "entry", Anchor: []string{"name"},
	Attributes: []identity.AttributeType{
		{Name: "name", Type: identity.TypeString},
		{Name: "phone", Type: identity.TypeString},
	},
}}}

func (b *Phonebook) Schema(context.Context) (identity.Schema, error) { return schema, nil }

func (b *Phonebook) Capabilities() agent.Capabilities { return agent.Capabilities{AnchorIsDN: true} }

func (b *Phonebook) OpenImport(_ context.Context, req agent.ImportRequest) (agent.Import, error) {
	if err := req.Check(schema); err != nil {
		return nil, err
	}
	return &reading{book: b, left: b.names, size: req.PageSize}, nil
}

type reading struct {
	book *Phonebook
	left []string
	size int
}

func (r *reading) Complete() bool  { return true }
func (r *reading) Unchanged() bool { return false }

func (r *reading) Next(ctx context.Context, page *agent.Page) error {
	page.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(r.left) == 0 {
		return io.EOF
	}
	n := min(r.size, len(r.left))
	for _, name := range r.left[:n] {
		entry := page.Add()
		entry.Op, entry.ObjectType = identity.Add, "entry"
		entry.DN, entry.Anchor = name, name
		entry.Attributes = identity.Attributes{}.
			Set("name", identity.String(name)).
			Set("phone", identity.String(r.book.phone[name]))
	}
	r.left = r.left[n:]
	return nil
}

func (r *reading) Close(context.Context, agent.Outcome) ([]byte, error) { return nil, nil }

// The skeleton of an agent, and what the engine does with it.
func ExampleImporter() {
	ctx := context.Background()
	var book agent.Importer = &Phonebook{
		names: []string{"ada", "grace", "joan"},
		phone: map[string]string{"ada": "17", "grace": "18", "joan": "19"},
	}
	stream, err := book.OpenImport(ctx, agent.ImportRequest{Schema: schema, PageSize: 2})
	if err != nil {
		log.Fatal(err)
	}
	for page := new(agent.Page); ; {
		err := stream.Next(ctx, page)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		for _, entry := range page.Entries {
			fmt.Println(entry.Op, entry.Anchor, entry.Attributes.First("phone").Text())
		}
	}
	if _, err := stream.Close(ctx, agent.Completed); err != nil {
		log.Fatal(err)
	}
	// Output:
	// add ada 17
	// add grace 18
	// add joan 19
}
