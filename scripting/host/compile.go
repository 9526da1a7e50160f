package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
	"github.com/evanw/esbuild/pkg/api"
	"github.com/go-sourcemap/sourcemap"

	"github.com/metasync/metasync/engine/fault"
)

const syntaxError = "script-syntax-error"

// A program is one compiled file: an expression whose value is the function
// that runs it. All workers share it.
type program struct {
	name  string // in the folder
	label string // in positions
	code  *goja.Program

	importsLater bool // by import(), and not when it is loaded
}

// What stands around the text of a file.
const (
	opening = `(function (exports, require, module) { "use strict";`
	closing = `})`
)

// unsupported lists what goja does not understand. esbuild expresses it
// otherwise or, for regular expressions, reports it.
var unsupported = map[string]bool{
	"async-generator": false, "for-await": false, "using": false, "decorators": false,
	"top-level-await": false, "dynamic-import": false, "import-meta": false, "hashbang": false,
	"regexp-match-indices": false, "regexp-set-notation": false,
}

// compile compiles a file. Warnings are given apart: the file runs in spite of
// them. See [API.Instead] for instead.
func compile(f File, prefix string, instead map[string]string) (p *program, warnings, wrong fault.List) {
	p = &program{name: f.Name, label: path.Join(prefix, f.Name)}
	loader := api.LoaderJS
	if path.Ext(f.Name) == ".ts" {
		loader = api.LoaderTS
	}
	result := api.Transform(f.Text, api.TransformOptions{
		Loader:         loader,
		Format:         api.FormatCommonJS,
		Target:         api.ESNext,
		Supported:      unsupported,
		TreeShaking:    api.TreeShakingFalse,
		Banner:         opening,
		Footer:         closing,
		Sourcefile:     url.PathEscape(path.Base(f.Name)),
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		LogOverride:    map[string]api.LogLevel{"unsupported-regexp": api.LogLevelError},
		TsconfigRaw:    "{}",
	})
	for _, message := range result.Warnings {
		warnings = append(warnings, p.message(message))
	}
	for _, message := range result.Errors {
		wrong = append(wrong, p.message(message))
	}
	if len(wrong) > 0 {
		return p, warnings, wrong
	}
	p.importsLater = dynamicImport.Match(result.Code)
	return p, warnings, p.parse(string(result.Code), result.Map, instead)
}

// message turns a message of esbuild into an error.
func (p *program) message(m api.Message) *fault.Error {
	e := fault.New(syntaxError, "%s", m.Text)
	e.Position.File = p.label
	if m.Location != nil {
		e.Position.Line, e.Position.Column = m.Location.Line, m.Location.Column+1
	}
	if m.ID == "unsupported-regexp" {
		e.Text, _, _ = strings.Cut(m.Text, " in the configured target environment")
		e.Text = strings.TrimSuffix(e.Text, " in esnext")
	}
	return e
}

// parse hands the text that esbuild made over to goja.
func (p *program) parse(text string, sourceMap []byte, instead map[string]string) fault.List {
	sourceMap, err := fixSourceMap(sourceMap)
	if err != nil {
		return fault.List{{Name: syntaxError, Position: fault.Position{File: p.label}, Err: err}}
	}
	text += "\n//# sourceMappingURL=map"
	load := parser.WithSourceMapLoader(func(string) ([]byte, error) { return sourceMap, nil })
	tree, err := parser.ParseFile(nil, p.label, text, 0, load)
	if err != nil {
		return p.parseErrors(err, sourceMap)
	}
	if wrong := p.checkPitfalls(tree, instead); len(wrong) > 0 {
		return wrong
	}
	p.code, err = goja.CompileAST(tree, true)
	var failed *goja.CompilerSyntaxError
	if errors.As(err, &failed) && failed.File != nil {
		e := fault.New(syntaxError, "%s", failed.Message)
		e.Position = p.position(failed.File.Position(failed.Offset))
		return fault.List{e}
	}
	if err != nil {
		return fault.List{{Name: syntaxError, Position: fault.Position{File: p.label}, Err: err}}
	}
	return nil
}

// parseErrors maps the errors of goja's parser, which has not read the source
// map when it fails.
func (p *program) parseErrors(err error, sourceMap []byte) fault.List {
	var list parser.ErrorList
	if !errors.As(err, &list) {
		return fault.List{{Name: syntaxError, Position: fault.Position{File: p.label}, Err: err}}
	}
	consumer, mapErr := sourcemap.Parse("", sourceMap)
	var wrong fault.List
	for _, item := range list {
		e := fault.New(syntaxError, "%s", item.Message)
		e.Position.File = p.label
		if mapErr == nil {
			_, _, e.Position.Line, e.Position.Column, _ = consumer.Source(item.Position.Line, item.Position.Column)
		}
		wrong = append(wrong, e)
	}
	return wrong
}

func (p *program) position(at file.Position) fault.Position {
	return fault.Position{File: p.label, Line: at.Line, Column: at.Column}
}

func fixSourceMap(sourceMap []byte) ([]byte, error) {
	var fields map[string]any
	if err := json.Unmarshal(sourceMap, &fields); err != nil {
		return nil, fmt.Errorf("source map: %w", err)
	}
	mappings, _ := fields["mappings"].(string)
	mappings, err := countFromOne(mappings)
	if err != nil {
		return nil, err
	}
	fields["mappings"] = mappings
	return json.Marshal(fields)
}
