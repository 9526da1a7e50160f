package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/fault"
)

// errorName is the public name of everything that can be wrong in a
// configuration.
const errorName = "invalid-configuration"

// err returns the problems so far: sorted, each once, without secrets. It
// returns nil if there are none.
func (l *loader) err() error {
	if len(l.problems) == 0 {
		return nil
	}
	for _, e := range l.problems {
		e.Text, e.Hint = Redact(l.secrets, e.Text), Redact(l.secrets, e.Hint)
	}
	l.problems.Sort()
	return slices.CompactFunc(l.problems, func(a, b *fault.Error) bool {
		return a.Position == b.Position && a.Error() == b.Error()
	})
}

// Redact replaces every secret in a text, also where the text holds it quoted
// as Go and JSON quote. Longer secrets go first, so that a secret which is part
// of another leaves nothing of it behind.
func Redact(secrets []string, text string) string {
	forms := make([]string, 0, 2*len(secrets))
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		quoted := strconv.Quote(secret)
		forms = append(forms, secret, quoted[1:len(quoted)-1])
	}
	if len(forms) == 0 {
		return text
	}
	slices.SortFunc(forms, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, redacted)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// redacted stands where a secret stood.
const redacted = "[redacted]"
