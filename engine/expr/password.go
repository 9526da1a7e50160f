package expr

import (
	crand "crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// passwordFunctions make secrets.
var passwordFunctions = []Function{
	{
		Name: "GenerateRandomPassword", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:    "A random password of the given length, 4 to 256 characters, with at least one capital letter, small letter, digit and special character, and none that look alike, such as 0 and O. Every evaluation gives another: use it in flows that happen once.",
		Params: []Param{param("length", Number).whenNull(nullError)}, build: buildPassword,
	},
}

// passwordClasses are the characters of a password. None of them is special in
// a name, a comma-separated file or a quoted text.
var passwordClasses = []string{
	"ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789", "!#$%&*+-=?@_",
}

const maxPassword = 256

// buildPassword makes the result secret: no error shows what is made of it.
func buildPassword(_ *compiler, s *site) (operand, error) {
	length, position := &s.args[0], s.position
	check := func(n int64) error {
		if n < int64(len(passwordClasses)) || n > maxPassword {
			err := newError(position, "GenerateRandomPassword: a password has %d to %d characters", len(passwordClasses), maxPassword)
			if !length.secret {
				err.Hint = fmt.Sprintf("the length is %d", n)
			}
			return err
		}
		return nil
	}
	if length.constant && !length.null {
		if err := check(length.value.single.Int()); err != nil {
			return operand{}, err
		}
	}
	s.secret = true
	return operand{code: func(ctx *Context) (Value, error) {
		n, done, err := length.eval(ctx)
		if done {
			return n, err
		}
		if err := check(n.single.Int()); err != nil {
			return Value{}, err
		}
		password, err := randomPassword(ctx, int(n.single.Int()))
		if err != nil {
			return Value{}, fault.Wrap(errorName, err)
		}
		return Str(password), nil
	}}, nil
}

// randomPassword takes one character of each class, the others of all, and
// shuffles them.
func randomPassword(ctx *Context, length int) (string, error) {
	all := ""
	for _, class := range passwordClasses {
		all += class
	}
	password := make([]byte, length)
	for i := range password {
		from := all
		if i < len(passwordClasses) {
			from = passwordClasses[i]
		}
		n, err := ctx.secretRandom(len(from))
		if err != nil {
			return "", err
		}
		password[i] = from[n]
	}
	for i := len(password) - 1; i > 0; i-- {
		j, err := ctx.secretRandom(i + 1)
		if err != nil {
			return "", err
		}
		password[i], password[j] = password[j], password[i]
	}
	return string(password), nil
}

// secretRandom returns a number from 0 to n-1 that nobody can foretell, or that
// of Random if there is one.
func (ctx *Context) secretRandom(n int) (int, error) {
	if ctx.Random != nil {
		return int(ctx.Random(int64(n))), nil
	}
	// Numbers above the last multiple of n would favour some results.
	limit := ^uint32(0) - ^uint32(0)%uint32(n)
	for {
		var b [4]byte
		if _, err := crand.Read(b[:]); err != nil {
			return 0, err
		}
		if drawn := binary.LittleEndian.Uint32(b[:]); drawn < limit {
			return int(drawn % uint32(n)), nil
		}
	}
}
