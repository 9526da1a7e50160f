package ldap

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

// A watermark says up to where changes are known, in the terms of a tracker.
type watermark struct {
	Method   string `json:"method"`
	Base     string `json:"base"`
	Settings string `json:"settings"` // digest of what decides which entries are objects

	Cookie []byte    `json:"cookie,omitempty"` // syncrepl
	Number int64     `json:"number,omitempty"` // changelog: the last change
	Since  string    `json:"since,omitempty"`  // accesslog, timestamp: where to look from
	Last   string    `json:"last,omitempty"`   // accesslog: the last record
	Seen   []string  `json:"seen,omitempty"`   // accesslog: records from Since on that are dealt with
	Full   time.Time `json:"full,omitzero"`    // timestamp: when the last full import began

	follow bool // see notes the latest time
}

func (w *watermark) bytes() ([]byte, error) { return json.Marshal(w) }

// see notes the time of an entry that is delivered. A nil watermark sees nothing.
func (w *watermark) see(e *ldapconn.Entry) {
	if w == nil || !w.follow {
		return
	}
	if changed := value(e, "modifyTimestamp"); changed > w.Since {
		w.Since = changed
	}
}

// fullImportRequired says that only a full import can tell what changed.
func (d *directory) fullImportRequired(format string, args ...any) error {
	return d.fault("no-start-full-import-required", format, args...)
}

// digest covers the settings that decide which entries are objects, and of which type.
func (d *directory) digest() string {
	h := sha256.New()
	for i := range d.objects {
		k := objectKeys(&d.objects[i])
		fmt.Fprintf(h, "%q %q %q\n", d.objects[i].Name, k.Class, k.Filter)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:12])
}

// parseWatermark reads what an import by the same tracker has left.
func (d *directory) parseWatermark(text []byte, t tracker, base string) (*watermark, error) {
	w := new(watermark)
	switch {
	case len(text) == 0:
		return nil, d.fullImportRequired("there was no full import yet")
	case json.Unmarshal(text, w) != nil:
		return nil, d.fullImportRequired("what the last import left cannot be read")
	case w.Method != t.method() || w.Base != base || w.Settings != d.digest():
		return nil, d.fullImportRequired("the settings of the agent have changed since the last import")
	}
	return w, nil
}

// A tracker tells what changed in a directory.
type tracker interface {
	method() string

	// begin sets in w what later calls of since go on from. Whatever changes after
	// that is told by them, what changed right before may be.
	begin(ctx context.Context, c *ldapconn.Conn, w *watermark) error

	// since returns what changed, and sets in w what the next call goes on from. An
	// error that is named no-start-full-import-required says that it cannot tell.
	since(ctx context.Context, c *ldapconn.Conn, w *watermark) (changeSet, error)
}

// A changeSet names what changed. It may name what did not: all of it is read.
type changeSet struct {
	anchors    map[string]bool
	containers []string // whose names may have changed, and so those of all below
}

func (s *changeSet) add(anchor string) {
	if s.anchors == nil {
		s.anchors = map[string]bool{}
	}
	if anchor != "" {
		s.anchors[anchor] = true
	}
}

// tracker returns how changes of a server are told, nil if they are not.
func (d *directory) tracker(s *server, base string) (tracker, error) {
	method := d.settings.Changes
	syncs := slices.Contains(s.controls, oidSync)
	if method == "auto" {
		switch {
		case s.is389 && s.changelog != "":
			method = "changelog"
		case syncs && !s.is389:
			method = "syncrepl"
		default:
			method = "timestamp"
		}
	}
	switch method {
	case "none":
		return nil, nil
	case "syncrepl":
		if !syncs || s.is389 {
			return nil, d.fault("no-start-change-log-not-enabled", "the server has no content synchronization (RFC 4533) that an import can go on from")
		}
		return &syncrepl{d, s, base}, nil
	case "changelog":
		if s.changelog == "" {
			return nil, d.fault("no-start-change-log-not-enabled", "the server names no change log in its root entry")
		}
		return &changelog{d, s, base}, nil
	case "accesslog":
		return &accesslog{d, s, base}, nil
	}
	return &timestamps{d, s, base}, nil
}

// begin returns the watermark of a full import that begins now.
func (d *directory) begin(ctx context.Context, c *ldapconn.Conn, s *server, t tracker, base string) (*watermark, error) {
	w := &watermark{Method: t.method(), Base: base, Settings: d.digest()}
	err := t.begin(ctx, c, w)
	return w, err
}

// changes returns the anchors of what changed since a watermark, in order.
func (d *directory) changes(ctx context.Context, c *ldapconn.Conn, s *server, t tracker, w *watermark) ([]string, *watermark, error) {
	set, err := t.since(ctx, c, w)
	if err != nil {
		return nil, nil, err
	}
	for _, container := range set.containers {
		below, err := namesBelow(ctx, c, s, container)
		if err != nil {
			return nil, nil, err
		}
		for i := range below {
			set.add(value(&below[i], s.anchor))
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
func namesBelow(ctx context.Context, c *ldapconn.Conn, s *server, container string) ([]ldapconn.Entry, error) {
	e, err := c.Read(ctx, container, []string{"1.1"}, 0)
	if err != nil || e == nil {
		return nil, err
	}
	return c.Search(ctx, ldapconn.Search{Base: container, Scope: ldapconn.ScopeSub, Filter: s.scope(), Attributes: []string{s.anchor}})
}

// within reports whether a name of a log is of the base or below it.
func within(name, base string) bool {
	dn, err := identity.ParseDN(name)
	above, bad := identity.ParseDN(base)
	return err == nil && bad == nil && isWithin(dn, above)
}
