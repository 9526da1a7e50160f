package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// isWhole reports whether a modification is of single values of an attribute that the
// server cannot compare.
func (k *Kind) isWhole(m Modification) bool {
	if m.Op == ldap.ReplaceAttribute {
		return false
	}
	name, _, _ := strings.Cut(m.Name, ";")
	c := k.columns[strings.ToLower(name)]
	return c != nil && c.whole
}

// whole returns modifications with a replacement for those of single values that the
// server cannot compare, such as photos: of what the entry with a name has now, and what
// comes and goes.
func (w *writer) whole(ctx context.Context, dn string, k *Kind, mods []Modification) ([]Modification, error) {
	if !slices.ContainsFunc(mods, k.isWhole) {
		return mods, nil
	}
	var out []Modification
	at := map[string]int{} // of the replacement of an attribute
	for _, m := range mods {
		if !k.isWhole(m) {
			out = append(out, m)
			continue
		}
		i, begun := at[m.Name]
		if !begun {
			e, err := w.c.Read(ctx, dn, []string{m.Name}, 0)
			if err != nil {
				return nil, err
			}
			i, at[m.Name] = len(out), len(out)
			out = append(out, Modification{Op: ldap.ReplaceAttribute, Name: m.Name})
			if e != nil { // if there is none, the server says so
				out[i].Values = Values(e, m.Name)
			}
		}
		r := &out[i]
		r.Values = slices.DeleteFunc(r.Values, func(v string) bool { return slices.Contains(m.Values, v) })
		if m.Op == ldap.AddAttribute {
			r.Values = append(r.Values, m.Values...)
		}
	}
	return out, nil
}
