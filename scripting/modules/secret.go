package modules

import (
	"strings"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/scripting/host"
)

// shownSecret is what stands for a secret wherever it would be shown.
const shownSecret = "[secret]"

var secretType = host.Type{
	Name: "Secrets",
	Doc:  "A secret. What it is stays hidden: http and hash.hmac can use it, and everything else sees [secret].",
	Text: `interface Secret { toString(): "[secret]"; toJSON(): "[secret]" }`,
}

var secretFunction = host.Member{
	Name: "secret", Signature: "(name: string): Secret",
	Doc: "The secret of a name in scripting.secrets. For triggers and agents, and for what a file does when it is loaded, such as\n" +
		"`const key = secret(\"badges\")`; rules can have none.",
	Call: func(a *host.Active, args []goja.Value) (goja.Value, error) {
		if !a.Loading() {
			if err := a.ReachOut("secret"); err != nil {
				return nil, err
			}
		}
		r := read(a, "secret", args, 1)
		name := r.text(0, "a name")
		if r.err != nil {
			return nil, r.err
		}
		secrets := envOf(a).Secrets
		value, ok := secrets[name]
		if !ok {
			e := unknown("secret", name, secrets)
			if e.Hint == "" {
				e.Hint = "give it in scripting.secrets of the configuration"
			}
			return nil, e
		}
		return Secret(a, name, value), nil
	},
}

// A secretValue is what the handle of a secret stands for.
type secretValue struct{ name, value string }

// Secret returns the handle of a secret that a script is given under a name.
func Secret(a *host.Active, name, value string) goja.Value {
	return a.Handle(secretValue{name, value}, shownSecret)
}

func secretOf(v goja.Value) (secretValue, bool) {
	held, ok := host.HandleOf(v)
	if !ok {
		return secretValue{}, false
	}
	s, ok := held.(secretValue)
	return s, ok
}

// holdsSecret reports whether a text was made of a handle, and so holds what stands
// for the secret instead of the secret.
func holdsSecret(text string) bool { return strings.Contains(text, shownSecret) }

// SecretText returns what the handle of a secret stands for, for a registration that
// takes one; false for every other value.
func SecretText(v goja.Value) (text string, ok bool) {
	s, ok := secretOf(v)
	return s.value, ok
}
