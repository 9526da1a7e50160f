package space

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/engine/store/storetest"
)

var errTest = errors.New("as the test wants it")

// open returns a space over a store, with two agents: HR, whose anchors are the
// names, and AD, whose names ignore case.
func open(t testing.TB, st store.Store) *Space {
	t.Helper()
	s, err := Open(st)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Register("HR", Naming{AnchorIsDN: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.Register("AD", Naming{Fold: strings.ToLower}); err != nil {
		t.Fatal(err)
	}
	return s
}

func update(t testing.TB, s *Space, fn func(tx *Tx) error) {
	t.Helper()
	if err := s.Update(fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, s *Space, fn func(tx *Tx) error) {
	t.Helper()
	if err := s.View(fn); err != nil {
		t.Fatal(err)
	}
}

func sound(t testing.TB, s *Space) {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Fatalf("the store is not sound:\n%v", err)
	}
}

// put makes an object of AD.
func put(tx *Tx, dn, anchor string, attributes ...identity.Attribute) *Connector {
	c := tx.NewConnector("AD")
	c.ObjectType, c.DN, c.Anchor = "user", dn, anchor
	c.Synchronized = identity.SortAttributes(attributes)
	tx.PutConnector(c)
	return c
}

func attribute(name string, values ...string) identity.Attribute {
	return identity.Attribute{Name: name, Values: text(values...)}
}

func peer(c *Connector) identity.Attribute {
	return identity.Attribute{Name: "peer", Values: []identity.Value{identity.ReferenceTo(c.ID)}}
}

func TestUnitRollback(t *testing.T) {
	st := store.NewMemory()
	s := open(t, st)
	var kept identity.ID
	update(t, s, func(tx *Tx) error {
		if err := tx.Unit(func() error {
			kept = put(tx, "CN=kept", "1").ID
			return nil
		}); err != nil {
			return err
		}
		err := tx.Unit(func() error {
			c, err := tx.Connector(kept)
			if err != nil {
				return err
			}
			c.DN, c.State, c.RetryReferences = "CN=changed", ExplicitDisconnector, true
			tx.PutConnector(c)
			o := tx.NewObject("person")
			tx.PutObject(o)
			put(tx, "CN=gone", "2", peer(c))
			if id, err := tx.ByDN("AD", "cn=GONE"); err != nil || id == 0 {
				t.Errorf("a unit does not see its own object: %v, %v", id, err)
			}
			if err := tx.RetryObject(o.ID); err != nil {
				return err
			}
			return errTest
		})
		if !errors.Is(err, errTest) {
			t.Errorf("unit: %v, want %v", err, errTest)
		}
		return nil
	})
	sound(t, s)
	view(t, s, func(tx *Tx) error {
		for dn, want := range map[string]identity.ID{"CN=kept": kept, "CN=changed": 0, "CN=gone": 0} {
			if id, err := tx.ByDN("AD", dn); id != want || err != nil {
				t.Errorf("%s: %v, %v, want %v", dn, id, err, want)
			}
		}
		if got := tx.Counters("AD"); got[CountDisconnector] != 1 || got[CountExplicitDisconnector] != 0 || got[CountToSync] != 0 {
			t.Errorf("counters %v", got)
		}
		if ids := tx.ObjectRetries(0, 10); len(ids) != 0 {
			t.Errorf("retries %v", ids)
		}
		return nil
	})
}

func TestUpdateError(t *testing.T) {
	st := store.NewMemory()
	s := open(t, st)
	err := s.Update(func(tx *Tx) error {
		put(tx, "CN=a", "1")
		return errTest
	})
	if !errors.Is(err, errTest) {
		t.Fatalf("update: %v", err)
	}
	view(t, s, func(tx *Tx) error {
		if id, _ := tx.ByDN("AD", "CN=a"); id != 0 {
			t.Error("an update that failed left an object")
		}
		return nil
	})
	// The names that the failed update has learnt are known in memory, and must
	// be stored with the next one all the same.
	update(t, s, func(tx *Tx) error {
		put(tx, "CN=b", "2")
		return nil
	})
	sound(t, open(t, st))
}

func TestReopen(t *testing.T) {
	st := store.NewMemory()
	s := open(t, st)
	var id identity.ID
	for i := range 40 {
		update(t, s, func(tx *Tx) error {
			id = put(tx, fmt.Sprintf("CN=%d", i), fmt.Sprint(i), attribute(fmt.Sprintf("attribute%d", i), "x")).ID
			return nil
		})
	}
	again, err := Open(st)
	if err != nil {
		t.Fatal(err)
	}
	if again.Number("AD") != s.Number("AD") || again.AgentOf(id) != "AD" {
		t.Errorf("AD has number %d, before %d", again.Number("AD"), s.Number("AD"))
	}
	again = open(t, st)
	view(t, again, func(tx *Tx) error {
		c, err := tx.Connector(id)
		if err != nil || c == nil || c.Synchronized.First("attribute39").Str() != "x" {
			t.Errorf("after reopening: %+v, %v", c, err)
		}
		if next := tx.NewConnector("AD"); next.ID <= id {
			t.Errorf("id %v comes again", next.ID)
		}
		return nil
	})
	sound(t, again)
}

func TestPlaceholders(t *testing.T) {
	s := open(t, store.NewMemory())
	var target, first, second identity.ID
	update(t, s, func(tx *Tx) error {
		c := put(tx, "CN=target", "1", attribute("name", "x"))
		target, first, second = c.ID, put(tx, "CN=first", "2", peer(c)).ID, put(tx, "CN=second", "3", peer(c)).ID
		return nil
	})
	state := func() (found State, ok bool) {
		view(t, s, func(tx *Tx) error {
			c, err := tx.Connector(target)
			if c != nil {
				found, ok = c.State, true
			}
			return err
		})
		return found, ok
	}
	remove := func(id identity.ID) {
		update(t, s, func(tx *Tx) error {
			return tx.Unit(func() error {
				c, err := tx.Connector(id)
				if err != nil {
					return err
				}
				return tx.RemoveConnector(c)
			})
		})
		sound(t, s)
	}
	remove(target)
	if got, ok := state(); !ok || got != Placeholder {
		t.Errorf("a removed object that others refer to: %v, %t", got, ok)
	}
	remove(first)
	if _, ok := state(); !ok {
		t.Error("the placeholder went with the first of two referrers")
	}
	remove(second)
	if _, ok := state(); ok {
		t.Error("the placeholder outlived its last referrer")
	}
}

func TestAbsorb(t *testing.T) {
	s := open(t, store.NewMemory())
	var owner, into identity.ID
	update(t, s, func(tx *Tx) error {
		return tx.Unit(func() error {
			p := tx.NewConnector("AD")
			p.DN, p.State = "CN=new name", Placeholder
			tx.PutConnector(p)
			o := put(tx, "CN=owner", "1", peer(p))
			o.Unapplied = &identity.Delta{Op: identity.Update, Changes: []identity.Change{{Name: "deputy", Op: identity.Add, Values: peer(p).Values}}}
			into = put(tx, "CN=old name", "2").ID
			owner = o.ID
			return nil
		})
	})
	sound(t, s)
	update(t, s, func(tx *Tx) error {
		return tx.Unit(func() error {
			id, err := tx.ByDN("AD", "CN=NEW NAME")
			if err != nil {
				return err
			}
			placeholder, err := tx.Connector(id)
			if err != nil {
				return err
			}
			c, err := tx.Connector(into)
			if err != nil {
				return err
			}
			if err := tx.Absorb(placeholder, c); err != nil {
				return err
			}
			c.DN = "CN=new name"
			tx.PutConnector(c)
			return nil
		})
	})
	sound(t, s)
	view(t, s, func(tx *Tx) error {
		o, err := tx.Connector(owner)
		if err != nil {
			return err
		}
		if o.Synchronized.First("peer").Ref() != into || o.Unapplied.Changes[0].Values[0].Ref() != into {
			t.Errorf("the owner refers to %v and %v, want %v", o.Synchronized, o.Unapplied.Changes, into)
		}
		if id, _ := tx.ByDN("AD", "cn=new name"); id != into {
			t.Errorf("the name leads to %v, want %v", id, into)
		}
		return nil
	})
}

// TestBelow: what is in a container is found, at any depth, and nothing else;
// changes of the unit count.
func TestBelow(t *testing.T) {
	s := open(t, store.NewMemory())
	reversed := func(dn string) string {
		parts := strings.Split(strings.ToLower(dn), ",")
		slices.Reverse(parts)
		return strings.Join(parts, ",")
	}
	naming := Naming{Fold: reversed, Container: func(dn string) string { return reversed(dn) + "," }}
	if err := s.Register("AD", naming); err != nil {
		t.Fatal(err)
	}
	below := func(tx *Tx, agent, dn string) (names []string) {
		t.Helper()
		for c, err := range tx.Below(agent, dn) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, c.DN)
		}
		return names
	}
	var many []string
	update(t, s, func(tx *Tx) error {
		return tx.Unit(func() error {
			put(tx, "OU=Staff", "s")
			put(tx, "OU=Staffing", "sg")
			put(tx, "CN=Out,OU=Staffing", "o")
			put(tx, "CN=Deep,OU=It,OU=Staff", "d")
			for i := range 3 * belowPage {
				many = append(many, put(tx, fmt.Sprintf("CN=%03d,OU=Many", i), fmt.Sprint(i)).DN)
			}
			return nil
		})
	})
	update(t, s, func(tx *Tx) error {
		return tx.Unit(func() error {
			put(tx, "CN=New,OU=Staff", "n")
			if got, want := below(tx, "AD", "ou=STAFF"), []string{"CN=New,OU=Staff", "CN=Deep,OU=It,OU=Staff"}; !slices.Equal(got, want) {
				t.Errorf("below OU=Staff: %q, want %q", got, want)
			}
			if got := below(tx, "AD", "OU=Many"); !slices.Equal(got, many) {
				t.Errorf("below OU=Many: %q", got)
			}
			if got := below(tx, "AD", "CN=New,OU=Staff"); got != nil {
				t.Errorf("below a leaf: %q", got)
			}
			if got := below(tx, "HR", "OU=Staff"); got != nil {
				t.Errorf("without containers: %q", got)
			}
			for range tx.Below("AD", "OU=Many") {
				break // at once
			}
			return nil
		})
	})
	sound(t, s)
}

func TestIndexes(t *testing.T) {
	st := store.NewMemory()
	s := open(t, st)
	index := Indexes{Connectors: map[string]map[string][]string{"AD": {"user": {"mail", "number"}}}, Metaverse: map[string][]string{"person": {"number"}}}
	if err := s.SetIndexes(index); err != nil {
		t.Fatal(err)
	}
	var free, person, explicit identity.ID
	update(t, s, func(tx *Tx) error {
		return tx.Unit(func() error {
			o := tx.NewObject("person")
			o.Set("number", text("N1"), Contribution{})
			o.Set("mail", text("person@x"), Contribution{})
			c := put(tx, "CN=joined", "1", attribute("number", "n1"))
			c.State, c.Link = Joined, o.ID
			o.AddConnector(c.ID)
			tx.PutObject(o)
			person = o.ID
			free = put(tx, "CN=free", "2", attribute("number", "n2", "N3"), attribute("mail", "a@b")).ID
			for i, state := range []State{ExplicitDisconnector, FilteredDisconnector} {
				c := put(tx, "CN="+state.String(), fmt.Sprint(3+i), attribute("number", fmt.Sprintf("x%d", i)))
				c.State = state
				if i == 0 {
					explicit = c.ID
				}
			}
			return nil
		})
	})
	find := func(s *Space, attribute, value string) (ids []identity.ID) {
		t.Helper()
		view(t, s, func(tx *Tx) (err error) {
			ids, err = tx.FindDisconnectors("AD", "user", attribute, identity.String(value))
			return err
		})
		return ids
	}
	for _, tt := range []struct {
		attribute, value string
		want             []identity.ID
	}{
		{"number", "N2", []identity.ID{free}},
		{"number", "n3", []identity.ID{free}},
		{"number", "n1", nil}, // connectors are not found
		{"number", "X0", []identity.ID{explicit}},
		{"number", "X1", nil}, // what a filter keeps apart is not, either
		{"number", "n", nil},  // a prefix is not the value
		{"mail", "A@B", []identity.ID{free}},
		{"name", "x", nil},
	} {
		if got := find(s, tt.attribute, tt.value); !slices.Equal(got, tt.want) {
			t.Errorf("%s=%s: %v, want %v", tt.attribute, tt.value, got, tt.want)
		}
	}
	view(t, s, func(tx *Tx) error {
		if got, err := tx.FindObjects("person", "number", identity.String("n1")); err != nil || !slices.Equal(got, []identity.ID{person}) {
			t.Errorf("person: %v, %v", got, err)
		}
		return nil
	})
	sound(t, s)

	// Other indexes; a crash at any moment of building them is made good.
	index = Indexes{Connectors: map[string]map[string][]string{"AD": {"user": {"mail"}}}, Metaverse: map[string][]string{"person": {"mail"}}}
	for n := 1; ; n++ {
		fresh := clone(t, st)
		dying := open(t, storetest.FailAfter(fresh, n)) // it knows the agents: their registration writes nothing
		err := dying.SetIndexes(index)
		if err != nil && !errors.Is(err, storetest.ErrKilled) {
			t.Fatal(err)
		}
		again := open(t, fresh)
		if err := again.SetIndexes(index); err != nil {
			t.Fatal(err)
		}
		sound(t, again)
		if got := find(again, "mail", "a@b"); !slices.Equal(got, []identity.ID{free}) {
			t.Errorf("killed at commit %d, then mail: %v", n, got)
		}
		if got := find(again, "number", "n2"); got != nil {
			t.Errorf("killed at commit %d, then number: %v", n, got)
		}
		if err == nil {
			break
		}
	}
}

// clone returns a copy of a store in memory.
func clone(t *testing.T, from store.Store) store.Store {
	t.Helper()
	to := store.NewMemory()
	for _, bucket := range allBuckets {
		err := from.View(func(r store.Reader) error {
			return to.Update(func(tx store.Tx) error {
				for key, value := range r.Scan(bucket, nil, nil) {
					if err := tx.Put(bucket, key, value); err != nil {
						return err
					}
				}
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

var allBuckets = []store.Bucket{
	bucketMeta, bucketObject, bucketAnchor, bucketDN, bucketValue, bucketWork, bucketBackref, bucketWaiting, bucketRetry, bucketCount,
}

// TestCheck: damage of every kind is found.
func TestCheck(t *testing.T) {
	st := store.NewMemory()
	s := open(t, st)
	if err := s.SetIndexes(Indexes{Connectors: map[string]map[string][]string{"AD": {"user": {"number"}}}}); err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *Tx) error {
		return tx.Unit(func() error {
			o := tx.NewObject("person")
			c := put(tx, "CN=joined", "1")
			c.State, c.Link = Joined, o.ID
			o.AddConnector(c.ID)
			tx.PutObject(o)
			put(tx, "CN=free", "2", attribute("number", "1"), peer(c))
			return nil
		})
	})
	sound(t, s)
	for _, bucket := range []store.Bucket{bucketObject, bucketAnchor, bucketDN, bucketValue, bucketWork, bucketBackref, bucketCount} {
		var keys [][]byte
		if err := st.View(func(r store.Reader) error {
			for key := range r.Scan(bucket, nil, nil) {
				keys = append(keys, slices.Clone(key))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			t.Errorf("bucket %s is empty: its damage cannot be tested", bucket)
		}
		for _, key := range keys {
			damaged := clone(t, st)
			if err := damaged.Update(func(tx store.Tx) error { return tx.Delete(bucket, key) }); err != nil {
				t.Fatal(err)
			}
			if err := open(t, damaged).Check(); !errors.Is(err, identity.ErrCorrupt) {
				t.Errorf("without %q in %s: %v", key, bucket, err)
			}
		}
		damaged := clone(t, st)
		extra := append(slices.Clone(keys[0][:len(keys[0])-1]), 0xfe)
		if bucket == bucketObject || bucket == bucketCount {
			continue
		}
		if err := damaged.Update(func(tx store.Tx) error { return tx.Put(bucket, extra, make([]byte, 24)) }); err != nil {
			t.Fatal(err)
		}
		if err := open(t, damaged).Check(); !errors.Is(err, identity.ErrCorrupt) {
			t.Errorf("with %q in %s: %v", extra, bucket, err)
		}
	}
}

func TestLists(t *testing.T) {
	s := open(t, store.NewMemory())
	var ids []identity.ID
	update(t, s, func(tx *Tx) error {
		for i := range 5 {
			c := put(tx, fmt.Sprint("CN=", i), fmt.Sprint(i))
			if i%2 == 0 {
				c.Unapplied = &identity.Delta{Op: identity.Update, Changes: []identity.Change{{Name: "x", Op: identity.Delete}}}
				ids = append(ids, c.ID)
			}
		}
		return nil
	})
	page := func(after identity.ID, limit int) (got []identity.ID) {
		view(t, s, func(tx *Tx) (err error) {
			got, err = tx.List(ToExport, "AD", after, limit)
			return err
		})
		return got
	}
	if diff := cmp.Diff(ids, page(0, 10)); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ids[1:2], page(ids[0], 1)); diff != "" {
		t.Errorf("second page (-want +got):\n%s", diff)
	}
	view(t, s, func(tx *Tx) error {
		if got, err := tx.List(ToExport, "HR", 0, 10); len(got) != 0 || err != nil {
			t.Errorf("of another agent: %v, %v", got, err)
		}
		return nil
	})
}
