package directory

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

// A Watermark says up to where changes are known, in the terms of a tracker.
type Watermark struct {
	Method   string `json:"method"`
	Base     string `json:"base"`
	Settings string `json:"settings"` // digest of what decides which entries are objects

	Cookie []byte    `json:"cookie,omitempty"` // syncrepl, dirsync
	Number int64     `json:"number,omitempty"` // changelog, usn: the last change
	Server string    `json:"server,omitempty"` // usn: the controller that numbers them
	Since  string    `json:"since,omitempty"`  // accesslog, timestamp: where to look from
	Last   string    `json:"last,omitempty"`   // accesslog: the last record
	Seen   []string  `json:"seen,omitempty"`   // accesslog: records from Since on that are dealt with
	Full   time.Time `json:"full,omitzero"`    // timestamp, usn: when the last full import began

	Follow bool `json:"-"` // set by a tracker: entries that are delivered move Since to the latest of their times
}

// Bytes returns the form that is kept.
func (w *Watermark) Bytes() ([]byte, error) { return json.Marshal(w) }

// see notes the time of an entry that is delivered. A nil watermark sees nothing.
func (w *Watermark) see(e *ldapconn.Entry) {
	if w == nil || !w.Follow {
		return
	}
	if changed := Value(e, "modifyTimestamp"); changed > w.Since {
		w.Since = changed
	}
}

// FullImportRequired says that only a full import can tell what changed.
func (d *Directory) FullImportRequired(format string, args ...any) error {
	return d.Fault("no-start-full-import-required", format, args...)
}

// Digest covers the settings that decide which entries are objects, and of which type.
func (d *Directory) Digest() string {
	h := sha256.New()
	for i := range d.objects {
		k := objectKeys(&d.objects[i])
		fmt.Fprintf(h, "%q %q %q\n", d.objects[i].Name, k.Class, k.Filter)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:12])
}

// parseWatermark reads what an import by the same tracker has left.
func (d *Directory) parseWatermark(text []byte, t Tracker, base string) (*Watermark, error) {
	w := new(Watermark)
	switch {
	case len(text) == 0:
		return nil, d.FullImportRequired("there was no full import yet")
	case json.Unmarshal(text, w) != nil:
		return nil, d.FullImportRequired("what the last import left cannot be read")
	case w.Method != t.Method() || w.Base != base || w.Settings != d.Digest():
		return nil, d.FullImportRequired("the settings of the agent have changed since the last import")
	}
	return w, nil
}

// A ChangeSet names what changed. It may name what did not: all of it is read.
type ChangeSet struct {
	anchors    map[string]bool
	Containers []string // whose names may have changed, and so those of all below
}

// Add adds the anchor of an entry that may have changed.
func (s *ChangeSet) Add(anchor string) {
	if s.anchors == nil {
		s.anchors = map[string]bool{}
	}
	if anchor != "" {
		s.anchors[anchor] = true
	}
}

// begin returns the watermark of a full import that begins now.
func (d *Directory) begin(ctx context.Context, c *ldapconn.Conn, s *Server, t Tracker, base string) (*Watermark, error) {
	w := &Watermark{Method: t.Method(), Base: base, Settings: d.Digest()}
	err := t.Begin(ctx, c, w)
	return w, err
}

// changes returns the anchors of what changed since a watermark, in order.
func (d *Directory) changes(ctx context.Context, c *ldapconn.Conn, s *Server, t Tracker, w *Watermark) ([]string, *Watermark, error) {
	set, err := t.Since(ctx, c, w)
	if err != nil {
		return nil, nil, err
	}
	for _, container := range set.Containers {
		below, err := namesBelow(ctx, c, s, container)
		if err != nil {
			return nil, nil, err
		}
		for i := range below {
			set.Add(s.Anchor.Of(&below[i]))
		}
	}
	anchors := make([]string, 0, len(set.anchors))
	for anchor := range set.anchors {
		anchors = append(anchors, anchor)
	}
	slices.Sort(anchors)
	return anchors, w, nil
}

// namesBelow returns the anchors of the objects in a container, none if it is gone.
func namesBelow(ctx context.Context, c *ldapconn.Conn, s *Server, container string) ([]ldapconn.Entry, error) {
	e, err := c.Read(ctx, container, []string{"1.1"}, 0)
	if err != nil || e == nil {
		return nil, err
	}
	return c.Search(ctx, ldapconn.Search{Base: container, Scope: ldapconn.ScopeSub, Filter: s.Scope(), Attributes: []string{s.Anchor.Attribute}})
}

// Within reports whether a name of a log is of the base or below it.
func Within(name, base string) bool {
	dn, err := identity.ParseDN(name)
	above, bad := identity.ParseDN(base)
	return err == nil && bad == nil && IsWithin(dn, above)
}
