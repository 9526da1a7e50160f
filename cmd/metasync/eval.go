package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

type evalCmd struct {
	Expr    string `arg:"" help:"The expression, with or without = in front."`
	Input   string `placeholder:"JSON" default:"{}" help:"The attributes as a JSON object; keys that begin with $$ are parameters."`
	Dialect string `enum:"fim" default:"fim" help:"The dialect: fim."`
}

func (*evalCmd) Help() string {
	return `Values are JSON; {"$bin": "00ff"} is binary, {"$dt": "2026-01-05T02:00:00Z"} a date and time, {"$ref": "CN=..."} a reference. ` +
		"Functions of the scripts can be used if there is a configuration."
}

func (c *evalCmd) Run(a *app) error {
	value, err := c.evaluate(a)
	switch {
	case err != nil && a.JSON:
		if err := a.printJSON(map[string]string{"$error": err.Error()}); err != nil {
			return err
		}
		return exitFailed
	case err != nil:
		return err
	case a.JSON:
		return a.printJSON(value.JSON())
	}
	return printValue(a.stdout, value)
}

func (c *evalCmd) evaluate(a *app) (expr.Value, error) {
	in, err := readInput(c.Input)
	if err != nil {
		return expr.Value{}, fmt.Errorf("--input: %w", err)
	}
	source := strings.TrimPrefix(strings.TrimSpace(c.Expr), "=")
	options := expr.Options{Dialect: expr.Dialect(c.Dialect)}
	program, err := expr.Compile(source, options)
	if err != nil && fileExists(a.Config) {
		// Perhaps it uses a function of a script.
		functions, release, scriptErr := daemon.Functions(a.ctx, a.daemon())
		if scriptErr != nil {
			return expr.Value{}, errors.Join(err, scriptErr)
		}
		defer release()
		options.Functions = functions
		program, err = expr.Compile(source, options)
	}
	if err != nil {
		return expr.Value{}, err
	}
	return program.Eval(in.context(a.ctx))
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// An input is what an expression is evaluated on. Names count without regard to
// case, as they do in rules.
type input struct {
	attributes map[string][]identity.Value
	parameters map[string]expr.Value
}

// readInput reads an input from JSON.
func readInput(text string) (*input, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, fault.New("invalid-input", "this is no JSON object: %s", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.New("invalid-input", "there is something after the JSON object")
	}
	in := &input{map[string][]identity.Value{}, map[string]expr.Value{}}
	for name, document := range object {
		v, err := expr.FromJSON(document)
		if err != nil {
			return nil, fault.New("invalid-input", "%s: %s", name, err)
		}
		if parameter, ok := parameterName(name); ok {
			in.parameters[identity.Fold(parameter)] = v
			continue
		}
		in.attributes[identity.Fold(name)] = v.Values()
	}
	return in, nil
}

// parameterName returns the name of the parameter that a key stands for: $name,
// or %name%.
func parameterName(key string) (string, bool) {
	if name, ok := strings.CutPrefix(key, "$"); ok {
		return name, true
	}
	if len(key) > 2 && strings.HasPrefix(key, "%") && strings.HasSuffix(key, "%") {
		return key[1 : len(key)-1], true
	}
	return "", false
}

// Get implements [expr.Getter].
func (in *input) Get(name string) []identity.Value { return in.attributes[identity.Fold(name)] }

func (in *input) context(ctx context.Context) *expr.Context {
	return &expr.Context{
		Context: ctx, Object: in, Now: time.Now(),
		Parameters: func(name string) expr.Value { return in.parameters[identity.Fold(name)] },
	}
}

// printValue prints a value as people read it, several values one to a line.
func printValue(w io.Writer, v expr.Value) error {
	var err error
	switch {
	case v.IsNull():
		_, err = fmt.Fprintln(w, "null")
	case v.Literal() != expr.NoLiteral:
		_, err = fmt.Fprintln(w, v.Literal())
	}
	for _, single := range v.Values() {
		if _, e := fmt.Fprintln(w, single.Text()); e != nil {
			err = e
		}
	}
	return err
}
