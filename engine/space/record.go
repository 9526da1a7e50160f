package space

import (
	"fmt"
	"time"

	"github.com/metasync/metasync/engine/identity"
)

// Both kinds of records begin with their version. A reader that meets a newer
// one fails rather than guesses.
const (
	connectorVersion = 1
	objectVersion    = 1
	mixedVersion     = 2 // of an object that has attributes with several contributors, or emptied ones

	ruledVersions = 2 // to be added for an object that knows its rules
)

// The parts that a connector record has only if it needs them.
const (
	hasAnchor = 1 << iota // an anchor that is not the DN
	anchorIsDN
	hasLink
	hasImport
	hasExported
	hasUnapplied
	hasImportError
	hasExportError
	isProvisioned
	isNotReimported
	isRetryReferences
	hasAttempts
	hasApplied
	hasPartition
	hasDetected
	hasRules
	hasCut
	hasCutObject
	hasReplaced
	isDeleted
	isNameLost
)

func encodeConnector(e *identity.Encoder, c *Connector) {
	flags := uint64(0)
	set := func(flag uint64, on bool) {
		if on {
			flags |= flag
		}
	}
	set(anchorIsDN, c.Anchor != "" && c.Anchor == c.DN)
	set(hasAnchor, c.Anchor != "" && c.Anchor != c.DN)
	set(hasLink, c.Link != 0)
	set(hasImport, !c.Import.IsZero())
	set(hasExported, c.Exported != nil)
	set(hasUnapplied, !c.Unapplied.IsZero())
	set(hasImportError, c.ImportError != nil)
	set(hasExportError, c.ExportError != nil)
	set(isProvisioned, c.Provisioned)
	set(isNotReimported, c.NotReimported)
	set(isRetryReferences, c.RetryReferences)
	set(hasAttempts, c.Attempts != 0)
	set(hasApplied, len(c.Applied) > 0)
	set(hasPartition, c.Partition != "")
	set(hasDetected, len(c.Detected) > 0)
	set(hasRules, c.Rules != "")
	set(hasCut, c.Cut != nil)
	set(hasCutObject, c.Cut != nil && c.Cut.Object != 0)
	set(hasReplaced, c.Replaces != nil)
	set(isDeleted, c.Deleted)
	set(isNameLost, c.NameLost)

	e.Byte(connectorVersion)
	e.Uint(flags)
	e.Byte(byte(c.State))
	e.Name(c.ObjectType)
	e.Text(c.DN)
	if flags&hasAnchor != 0 {
		e.Text(c.Anchor)
	}
	if flags&hasLink != 0 {
		e.ID(c.Link)
		e.Name(c.LinkRule)
		e.Byte(byte(c.LinkBy))
		e.Int(c.LinkedAt.UnixMicro())
	}
	e.Attributes(c.Synchronized)
	if flags&hasImport != 0 {
		e.Delta(c.Import)
	}
	if flags&hasExported != 0 {
		e.Uint(c.Batch)
		e.Delta(c.Exported)
	}
	if flags&hasUnapplied != 0 {
		e.Delta(c.Unapplied)
	}
	if flags&hasImportError != 0 {
		encodeError(e, c.ImportError)
	}
	if flags&hasExportError != 0 {
		encodeError(e, c.ExportError)
	}
	if flags&hasAttempts != 0 {
		e.Uint(uint64(c.Attempts))
	}
	if flags&hasApplied != 0 {
		encodeNames(e, c.Applied)
	}
	if flags&hasDetected != 0 {
		encodeNames(e, c.Detected)
	}
	if flags&hasPartition != 0 {
		e.Name(c.Partition)
	}
	if flags&hasRules != 0 {
		e.Name(c.Rules)
	}
	if flags&hasCut != 0 {
		e.Byte(byte(c.Cut.By))
		e.Name(c.Cut.Rule)
		e.Int(c.Cut.At.UnixMicro())
	}
	if flags&hasCutObject != 0 {
		e.ID(c.Cut.Object)
	}
	if flags&hasReplaced != 0 {
		e.Name(c.Replaces.ObjectType)
		e.Attributes(c.Replaces.Attributes)
		e.Uint(c.Replaces.Batch)
	}
}

func encodeNames(e *identity.Encoder, names []string) {
	e.Uint(uint64(len(names)))
	for _, name := range names {
		e.Name(name)
	}
}

func decodeNames(d *identity.Decoder) []string {
	names := make([]string, d.Count())
	for i := range names {
		names[i] = d.Name()
	}
	return names
}

// decodeConnector reads a record. sources says where the values are that it does
// not hold.
func decodeConnector(data []byte, names identity.Names, sources func(string, int) identity.Source, c *Connector) error {
	d := identity.NewDecoder(data, names)
	d.Source = sources
	if version := d.Byte(); version != connectorVersion && d.Err() == nil {
		return fmt.Errorf("connector record %s has version %d, newer than this program", c.ID, version)
	}
	flags := d.Uint()
	c.State = State(d.Byte())
	c.ObjectType = d.Name()
	c.DN = d.Text()
	switch {
	case flags&anchorIsDN != 0:
		c.Anchor = c.DN
	case flags&hasAnchor != 0:
		c.Anchor = d.Text()
	}
	if flags&hasLink != 0 {
		c.Link = d.ID()
		c.LinkRule = d.Name()
		c.LinkBy = Lineage(d.Byte())
		c.LinkedAt = time.UnixMicro(d.Int()).UTC()
	}
	c.Synchronized = d.Attributes()
	if flags&hasImport != 0 {
		c.Import = d.Delta()
	}
	if flags&hasExported != 0 {
		c.Batch = d.Uint()
		c.Exported = d.Delta()
		if c.Exported == nil {
			c.Exported = &identity.Delta{}
		}
	}
	if flags&hasUnapplied != 0 {
		c.Unapplied = d.Delta()
	}
	if flags&hasImportError != 0 {
		c.ImportError = decodeError(&d)
	}
	if flags&hasExportError != 0 {
		c.ExportError = decodeError(&d)
	}
	if flags&hasAttempts != 0 {
		c.Attempts = int(d.Uint())
	}
	if flags&hasApplied != 0 {
		c.Applied = decodeNames(&d)
	}
	if flags&hasDetected != 0 {
		c.Detected = decodeNames(&d)
	}
	if flags&hasPartition != 0 {
		c.Partition = d.Name()
	}
	if flags&hasRules != 0 {
		c.Rules = d.Name()
	}
	if flags&hasCut != 0 {
		c.Cut = &Disconnection{By: Lineage(d.Byte()), Rule: d.Name(), At: time.UnixMicro(d.Int()).UTC()}
	}
	if flags&hasCutObject != 0 && c.Cut != nil {
		c.Cut.Object = d.ID()
	}
	if flags&hasReplaced != 0 {
		c.Replaces = &Replaced{ObjectType: d.Name(), Attributes: d.Attributes(), Batch: d.Uint()}
	}
	c.Provisioned = flags&isProvisioned != 0
	c.NotReimported = flags&isNotReimported != 0
	c.RetryReferences = flags&isRetryReferences != 0
	c.Deleted = flags&isDeleted != 0
	c.NameLost = flags&isNameLost != 0
	if c.State >= states && d.Err() == nil {
		return fmt.Errorf("connector record %s: %w: unknown state %d", c.ID, identity.ErrCorrupt, c.State)
	}
	if err := d.Close(); err != nil {
		return fmt.Errorf("connector record %s: %w", c.ID, err)
	}
	return nil
}

func encodeError(e *identity.Encoder, err *ObjectError) {
	e.Text(err.Name)
	e.Text(err.Step)
	e.Text(err.Rule)
	e.Text(err.Attribute)
	e.Text(err.Detail)
	e.Int(err.First.UnixMicro())
	e.Int(err.Last.UnixMicro())
	e.Uint(uint64(err.Retries))
}

func decodeError(d *identity.Decoder) *ObjectError {
	return &ObjectError{
		Name: d.Text(), Step: d.Text(), Rule: d.Text(), Attribute: d.Text(), Detail: d.Text(),
		First: time.UnixMicro(d.Int()).UTC(), Last: time.UnixMicro(d.Int()).UTC(), Retries: int(d.Uint()),
	}
}

func encodeObject(e *identity.Encoder, o *Object) {
	isMixed := len(o.mixed)+len(o.nulls) > 0
	version := byte(objectVersion)
	if isMixed {
		version = mixedVersion
	}
	if o.Rules != "" {
		version += ruledVersions
	}
	e.Byte(version)
	e.Name(o.Type)
	if o.Rules != "" {
		e.Name(o.Rules)
	}
	e.Attributes(o.Attributes)
	for _, c := range o.contributions {
		encodeContribution(e, c)
	}
	e.Uint(uint64(len(o.Connectors)))
	for _, id := range o.Connectors {
		e.ID(id)
	}
	if !isMixed {
		return
	}
	e.Uint(uint64(len(o.mixed)))
	for _, m := range o.mixed {
		e.Name(m.attribute)
		for _, c := range m.by {
			encodeContribution(e, c)
		}
	}
	e.Uint(uint64(len(o.nulls)))
	for _, n := range o.nulls {
		e.Name(n.attribute)
		encodeContribution(e, n.by)
	}
}

func encodeContribution(e *identity.Encoder, c Contribution) {
	e.ID(c.Connector)
	e.Name(c.Rule)
	e.Int(c.Time.UnixMicro())
}

func decodeContribution(d *identity.Decoder) Contribution {
	return Contribution{Connector: d.ID(), Rule: d.Name(), Time: time.UnixMicro(d.Int()).UTC()}
}

func decodeObject(data []byte, names identity.Names, sources func(string, int) identity.Source, o *Object) error {
	d := identity.NewDecoder(data, names)
	d.Source = sources
	version := d.Byte()
	if (version < objectVersion || version > mixedVersion+ruledVersions) && d.Err() == nil {
		return fmt.Errorf("metaverse record %s has version %d, newer than this program", o.ID, version)
	}
	o.Type = d.Name()
	if version > mixedVersion {
		o.Rules = d.Name()
		version -= ruledVersions
	}
	o.Attributes = d.Attributes()
	o.contributions = make([]Contribution, len(o.Attributes))
	for i := range o.contributions {
		o.contributions[i] = decodeContribution(&d)
	}
	if n := d.Count(); n > 0 {
		o.Connectors = make([]identity.ID, n)
		for i := range o.Connectors {
			o.Connectors[i] = d.ID()
		}
	}
	if version == mixedVersion {
		decodeMixed(&d, o)
	}
	if err := d.Close(); err != nil {
		return fmt.Errorf("metaverse record %s: %w", o.ID, err)
	}
	return nil
}

func decodeMixed(d *identity.Decoder, o *Object) {
	for range d.Count() {
		m := mixed{attribute: d.Name()}
		if a := o.Attributes.Find(m.attribute); a != nil {
			m.by = make([]Contribution, a.Len())
		}
		for i := range m.by {
			m.by[i] = decodeContribution(d)
		}
		o.mixed = append(o.mixed, m)
	}
	for range d.Count() {
		n := emptied{d.Name(), decodeContribution(d)}
		n.by.Null = true
		o.nulls = append(o.nulls, n)
	}
}
