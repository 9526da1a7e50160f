package expr

import (
	"fmt"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// maxText bounds, in bytes, every text that an expression builds.
const maxText = 1 << 20

// A piece is an operand of a concatenation.
type piece struct {
	code      code   // nil for a constant
	text      string // of a constant
	attribute string // as in operand
	grammar   *grammar
	position  fault.Position
}

// concatenation compiles a + b + ..., or a & b & ... In FIM it is null as soon as
// one operand is null, and the operands after that one are not evaluated; in
// Entra null is the empty text (sync-engine §6.3).
func (c *compiler) concatenation(operands []operand, position fault.Position) (operand, error) {
	pieces := make([]piece, len(operands))
	nullText := c.grammar.nullText
	secret := false
	for i, o := range operands {
		if o.typ == identity.TypeBinary {
			return operand{}, newError(o.position, "binary values cannot be concatenated")
		}
		secret = secret || o.secret
		pieces[i] = piece{code: o.code, attribute: o.attribute, grammar: c.grammar, position: o.position}
		if o.constant && !o.null && o.value.literal == NoLiteral {
			text, _ := c.grammar.textOf(o.value.single)
			pieces[i] = piece{text: text.Str(), position: o.position}
		}
	}
	// The room for the texts is on the stack; 8 operands are enough for nearly
	// every name, and more cost one more allocation.
	return operand{typ: identity.TypeString, secret: secret, position: position, code: func(ctx *Context) (Value, error) {
		var room [8]string
		texts, size := room[:0], 0
		for i := range pieces {
			p := &pieces[i]
			text := p.text
			if p.code != nil {
				var null bool
				var err error
				if text, null, err = p.eval(ctx); null && !nullText || err != nil {
					return Value{}, err
				}
			}
			if size += len(text); size > maxText {
				return Value{}, newError(p.position, "%v", errTooLong)
			}
			texts = append(texts, text)
		}
		if err := ctx.spend(size); err != nil {
			return Value{}, newError(position, "%v", err)
		}
		return Str(joined(texts, size)), nil
	}}, nil
}

// joined concatenates texts. Few of them, as most names have, go without a builder:
// that takes a third less time.
func joined(texts []string, size int) string {
	switch len(texts) {
	case 2:
		return texts[0] + texts[1]
	case 3:
		return texts[0] + texts[1] + texts[2]
	case 4:
		return texts[0] + texts[1] + texts[2] + texts[3]
	}
	var b strings.Builder
	b.Grow(size)
	for _, text := range texts {
		b.WriteString(text)
	}
	return b.String()
}

// eval returns the text of the piece. An attribute that is one text, as most
// are, is read in place: "given + text + surname" takes a third less time so.
func (p *piece) eval(ctx *Context) (text string, null bool, err error) {
	if p.attribute != "" && ctx.Object != nil {
		values := ctx.Object.Get(p.attribute)
		if len(values) == 1 && values[0].Type() == identity.TypeString {
			return values[0].Str(), false, nil
		}
	}
	v, err := p.code(ctx)
	if err != nil || v.IsNull() {
		return "", true, err
	}
	text, err = p.textOf(v)
	return text, false, err
}

func (p *piece) textOf(v Value) (string, error) {
	if v.single.Type() == identity.TypeString {
		return v.single.Str(), nil
	}
	found := v.literal.String()
	switch {
	case v.multi != nil:
		err := newError(p.position, "an operand of %s must be one value, not %d", p.grammar.joiner(), len(v.multi))
		err.Name = "flow-multi-values-to-single-value"
		return "", err
	case found == "":
		text, ok := p.grammar.textOf(v.single)
		if ok {
			return text.Str(), nil
		}
		found = show(v.single)
	}
	return "", newError(p.position, "an operand of %s must be text, not %s", p.grammar.joiner(), found)
}

// joiner is the operator that concatenates in every case.
func (g *grammar) joiner() string {
	if g.nullText {
		return "&"
	}
	return "+"
}

// textOf returns a value as text as the dialect writes it; false if it has none.
func (g *grammar) textOf(v identity.Value) (identity.Value, bool) {
	if g.strict {
		return strictTextOf(v)
	}
	return textOf(v)
}

// strictTextOf is textOf in Entra.
func strictTextOf(v identity.Value) (identity.Value, bool) {
	if v.Type() != identity.TypeBoolean {
		return textOf(v)
	}
	if v.Bool() {
		return identity.String("True"), true
	}
	return identity.String("False"), true
}

// errTooLong is the error of a function whose result would exceed maxText.
var errTooLong = fmt.Errorf("the result has more than %d bytes", maxText)
