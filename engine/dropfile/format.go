package dropfile

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// version is that of the format. A reader refuses any other.
const version = 1

// A Header says what a file is about.
type Header struct {
	Version   int       `json:"dropFile"` // of the format; the writer sets it
	Agent     string    `json:"agent"`
	Step      string    `json:"step"` // full-import, delta-import or export
	Partition string    `json:"partition,omitempty"`
	Complete  bool      `json:"complete,omitempty"` // an import: see [agent.Import.Complete]
	Schema    string    `json:"schema"`             // see [SchemaHash]
	Created   time.Time `json:"created"`
}

// SchemaHash returns a text that is the same for equal schemas, whatever the order
// of their types and attributes.
func SchemaHash(s identity.Schema) string {
	types := slices.Clone(s.Types)
	slices.SortFunc(types, func(a, b identity.ObjectType) int { return cmp.Compare(a.Name, b.Name) })
	for i := range types {
		types[i].Attributes = slices.Clone(types[i].Attributes)
		slices.SortFunc(types[i].Attributes, func(a, b identity.AttributeType) int { return cmp.Compare(a.Name, b.Name) })
	}
	data, _ := json.Marshal(types) // of plain data: cannot fail
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// A line is an entry or a change. Trailer lines have nothing but Count.
type line struct {
	Op         string      `json:"op,omitempty"`
	Type       *text       `json:"type,omitempty"`
	DN         *text       `json:"dn,omitempty"`
	Anchor     *text       `json:"anchor,omitempty"`
	NewDN      *text       `json:"newDN,omitempty"`
	Attributes []attribute `json:"attributes,omitempty"` // of an entry that is an add; of a change: the image, where it has one
	Changes    []attribute `json:"changes,omitempty"`
	Line       int         `json:"line,omitempty"`
	Error      *lineError  `json:"error,omitempty"`
	Repeated   bool        `json:"repeated,omitempty"`

	Count *int `json:"entries,omitempty"`
}

type lineError struct {
	Name      string         `json:"name"`
	Text      string         `json:"text,omitempty"`
	Object    string         `json:"object,omitempty"`
	Attribute string         `json:"attribute,omitempty"`
	At        fault.Position `json:"at,omitzero"`
}

type attribute struct {
	Name    text    `json:"name"`
	Op      string  `json:"op,omitempty"` // of a change
	Values  []value `json:"values,omitempty"`
	Removed []value `json:"removed,omitempty"`
}

// A text is a JSON string, or {"bytes": base64} if it is not UTF-8.
type text string

type textBytes struct {
	Bytes []byte `json:"bytes"`
}

func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return marshal(string(t))
	}
	return marshal(textBytes{[]byte(t)})
}

func (t *text) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var b textBytes
		err := unmarshal(data, &b)
		*t = text(b.Bytes)
		return err
	}
	return unmarshal(data, (*string)(t))
}

// optional returns a text to be left out if it is empty.
func optional(s string) *text {
	if s == "" {
		return nil
	}
	return (*text)(&s)
}

func (t *text) string() string {
	if t == nil {
		return ""
	}
	return string(*t)
}

// A value is a datum, or the mark of a secret.
type value struct {
	identity.Value
	secret bool
}

// A typed is a value that is no string.
type typed struct {
	Integer   *string `json:"integer,omitempty"` // a text, for readers to whom numbers are floats
	Boolean   *bool   `json:"boolean,omitempty"`
	Binary    *[]byte `json:"binary,omitempty"`
	DateTime  *string `json:"datetime,omitempty"`
	Micros    *string `json:"micros,omitempty"` // since 1970: of a datetime that no text can say
	Reference *text   `json:"reference,omitempty"`
	Bytes     *[]byte `json:"bytes,omitempty"` // of a string that is not UTF-8
	Secret    bool    `json:"secret,omitempty"`
}

func (v value) MarshalJSON() ([]byte, error) {
	if v.secret {
		return marshal(typed{Secret: true})
	}
	var t typed
	switch v.Type() {
	case identity.TypeString:
		return text(v.Str()).MarshalJSON()
	case identity.TypeInteger:
		t.Integer = ptr(v.Text())
	case identity.TypeBoolean:
		t.Boolean = ptr(v.Bool())
	case identity.TypeBinary:
		t.Binary = ptr([]byte(v.Str()))
	case identity.TypeDateTime:
		if again, err := identity.ParseValue(identity.TypeDateTime, v.Text()); err == nil && again == v.Value {
			t.DateTime = ptr(v.Text())
		} else {
			t.Micros = ptr(strconv.FormatInt(v.Time().UnixMicro(), 10))
		}
	case identity.TypeReference:
		if v.Ref() != 0 {
			return nil, errors.New("a reference has no name")
		}
		t.Reference = ptr(text(v.Str()))
	default:
		return nil, errors.New("a value has no type")
	}
	return marshal(t)
}

func (v *value) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] != '{' {
		var s string
		err := unmarshal(data, &s)
		*v = value{Value: identity.String(s)}
		return err
	}
	var t typed
	if err := unmarshal(data, &t); err != nil {
		return err
	}
	*v = value{}
	var err error
	n := 0
	set := func(given bool, read func()) {
		if given {
			n++
			read()
		}
	}
	set(t.Secret, func() { v.secret = true })
	set(t.Integer != nil, func() { v.Value, err = identity.ParseValue(identity.TypeInteger, *t.Integer) })
	set(t.Boolean != nil, func() { v.Value = identity.Boolean(*t.Boolean) })
	set(t.Binary != nil, func() { v.Value = identity.Binary(*t.Binary) })
	set(t.DateTime != nil, func() { v.Value, err = identity.ParseValue(identity.TypeDateTime, *t.DateTime) })
	set(t.Micros != nil, func() {
		var micros int64
		micros, err = strconv.ParseInt(*t.Micros, 10, 64)
		v.Value = identity.DateTime(time.UnixMicro(micros))
	})
	set(t.Reference != nil, func() { v.Value = identity.Reference(string(*t.Reference)) })
	set(t.Bytes != nil, func() { v.Value = identity.String(string(*t.Bytes)) })
	if err == nil && n != 1 {
		err = fmt.Errorf("%s is not one value", data)
	}
	return err
}

func ptr[T any](v T) *T { return &v }

// marshal is json.Marshal for people who read: < and & stay as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// unmarshal reads exactly one JSON document, and refuses keys that it does not know.
func unmarshal(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON document")
	}
	return nil
}

// Operations by name: those that entries, changes and their attributes have.
var operations = map[string]identity.Operation{}

func init() {
	for _, op := range []identity.Operation{
		identity.None, identity.Add, identity.Replace, identity.Update, identity.Delete, identity.DeleteAdd,
	} {
		operations[op.String()] = op
	}
}

func operation(name string) (identity.Operation, error) {
	op, ok := operations[name]
	if !ok {
		return 0, fmt.Errorf("%q is no operation", name)
	}
	return op, nil
}

func ofEntry(e *agent.Entry) line {
	l := line{
		Op: e.Op.String(), Type: optional(e.ObjectType), DN: optional(e.DN), Anchor: optional(e.Anchor),
		NewDN: optional(e.NewDN), Line: e.Line,
	}
	if e.Err != nil {
		l.Error = &lineError{e.Err.Name, e.Err.Detail(), e.Err.Object, e.Err.Attribute, e.Err.Position}
		return l
	}
	l.Attributes, l.Changes = ofAttributes(e.Attributes, nil), ofChanges(e.Changes, nil)
	return l
}

func ofChange(c *agent.Change, schema identity.Schema) line {
	t := schema.Type(c.ObjectType)
	secret := func(name string) bool {
		if t == nil {
			return true // nobody knows: better say too little
		}
		a := t.Attribute(name)
		return a == nil || a.ExportOnly
	}
	return line{
		Op: c.Op.String(), Type: optional(c.ObjectType), DN: optional(c.DN), Anchor: optional(c.Anchor),
		NewDN: optional(c.NewDN), Repeated: c.Repeated,
		Changes: ofChanges(c.Changes, secret), Attributes: ofAttributes(c.Image, secret),
	}
}

func ofAttributes(list identity.Attributes, secret func(string) bool) []attribute {
	out := make([]attribute, len(list))
	for i, a := range list {
		out[i] = attribute{Name: text(a.Name), Values: ofValues(a.Values, secret != nil && secret(a.Name))}
	}
	return out
}

func ofChanges(list []identity.Change, secret func(string) bool) []attribute {
	out := make([]attribute, len(list))
	for i, c := range list {
		hide := secret != nil && secret(c.Name)
		out[i] = attribute{
			Name: text(c.Name), Op: c.Op.String(),
			Values: ofValues(c.Values, hide), Removed: ofValues(c.Removed, hide),
		}
	}
	return out
}

func ofValues(list []identity.Value, secret bool) []value {
	if secret && len(list) > 0 {
		return []value{{secret: true}}
	}
	out := make([]value, len(list))
	for i, v := range list {
		out[i] = value{Value: v}
	}
	return out
}

func (l *line) entry() (agent.Entry, error) {
	op, err := operation(l.Op)
	e := agent.Entry{
		Op: op, ObjectType: l.Type.string(), DN: l.DN.string(), Anchor: l.Anchor.string(), NewDN: l.NewDN.string(), Line: l.Line,
	}
	if err != nil {
		return e, err
	}
	if l.Error != nil {
		if l.Error.Name == "" {
			return e, errors.New("an error has no name")
		}
		e.Err = fault.New(l.Error.Name, "%s", l.Error.Text)
		e.Err.Object, e.Err.Attribute, e.Err.Position = l.Error.Object, l.Error.Attribute, l.Error.At
		return e, nil
	}
	if op != identity.Add && op != identity.None && op != identity.Update && op != identity.Delete {
		return e, fmt.Errorf("%q is no operation of an entry", l.Op)
	}
	var hidden, secret string
	if e.Attributes, hidden, err = toAttributes(l.Attributes); err != nil {
		return e, err
	}
	if e.Changes, secret, err = toChanges(l.Changes); err != nil {
		return e, err
	}
	if secret = cmp.Or(hidden, secret); secret != "" {
		return e, fmt.Errorf("an import cannot do without the value of %q", secret)
	}
	return e, nil
}

// change returns the change, and the first attribute that it changes to what the
// file does not tell. The image lacks such attributes.
func (l *line) change() (c agent.Change, secret string, err error) {
	op, err := operation(l.Op)
	c = agent.Change{
		Op: op, ObjectType: l.Type.string(), DN: l.DN.string(), Anchor: l.Anchor.string(), NewDN: l.NewDN.string(),
		Repeated: l.Repeated,
	}
	if err != nil {
		return c, "", err
	}
	if op == identity.None {
		return c, "", fmt.Errorf("%q is no operation of a change", l.Op)
	}
	if c.Changes, secret, err = toChanges(l.Changes); err != nil {
		return c, "", err
	}
	c.Image, _, err = toAttributes(l.Attributes)
	return c, secret, err
}

// toAttributes leaves out what the file does not tell, and names the first of that.
func toAttributes(list []attribute) (attributes identity.Attributes, secret string, err error) {
	var out []identity.Attribute
	for _, a := range list {
		values, hidden := toValues(a.Values)
		if a.Op != "" || len(a.Removed) > 0 || len(a.Values) == 0 || a.Name == "" {
			return nil, "", fmt.Errorf("%q is no attribute with values", a.Name)
		}
		if hidden {
			secret = cmp.Or(secret, string(a.Name))
			continue
		}
		out = append(out, identity.Attribute{Name: string(a.Name), Values: values})
	}
	return identity.SortAttributes(out), secret, nil
}

func toChanges(list []attribute) (out []identity.Change, secret string, err error) {
	for _, a := range list {
		op, err := operation(a.Op)
		if err != nil {
			return nil, "", err
		}
		if a.Name == "" || op == identity.None || op == identity.DeleteAdd {
			return nil, "", fmt.Errorf("%q is no change of an attribute", a.Name)
		}
		values, hidden := toValues(a.Values)
		removed, hiddenToo := toValues(a.Removed)
		if hidden || hiddenToo {
			secret = cmp.Or(secret, string(a.Name))
		}
		out = append(out, identity.Change{Name: string(a.Name), Op: op, Values: values, Removed: removed})
	}
	slices.SortStableFunc(out, func(a, b identity.Change) int { return cmp.Compare(a.Name, b.Name) })
	for i := range out[:max(0, len(out)-1)] {
		if out[i].Name == out[i+1].Name {
			return nil, "", fmt.Errorf("attribute %q changes twice", out[i].Name)
		}
	}
	return out, secret, nil
}

func toValues(list []value) (out []identity.Value, secret bool) {
	for _, v := range list {
		if v.secret {
			secret = true
			continue
		}
		out = append(out, v.Value)
	}
	return identity.Normalize(out), secret
}
