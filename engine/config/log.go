package config

import (
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/agent"
)

// Log says where the log of the daemon goes and how it looks.
type Log struct {
	File    agent.Path    `yaml:"file" doc:"The file; then standard error gets errors only. Without it, everything goes to standard error."`
	Format  string        `yaml:"format" oneof:"text json" doc:"The form of the lines: text, which is the default on a terminal and in a file; or json, which is the default elsewhere."`
	Level   string        `yaml:"level" oneof:"debug info warn error" default:"info" doc:"From which level on lines are written."`
	MaxSize fileSize      `yaml:"maxSize" default:"100MiB" doc:"A file that would become larger is rotated; 0 is any size."`
	MaxAge  time.Duration `yaml:"maxAge" default:"1d" doc:"A file whose first line is older is rotated; 0s is any age."`
	Keep    int           `yaml:"keep" default:"7" doc:"How many files that were rotated are kept; 0 is all."`
}

// SlogLevel returns the level.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // one of those that are allowed, or "": info
	return level
}

func (l *Log) check(loader *loader, n *node) {
	if keep := n.get("keep"); keep != nil && l.Keep < 0 {
		loader.fail(keep.at, "keep must not be negative")
	}
	for _, key := range []string{"maxSize", "maxAge", "keep"} {
		if at := n.get(key); at != nil && l.File == "" {
			loader.fail(at.at, "%s has no meaning without file", key)
		}
	}
}

func (l *Log) refine(s *jsonschema.Schema) {
	s.Properties["keep"].Minimum = ptr(0.0)
	s.DependentRequired = map[string][]string{"maxSize": {"file"}, "maxAge": {"file"}, "keep": {"file"}}
}

// A fileSize is a number of bytes.
type fileSize int64

var fileSizePattern = regexp.MustCompile(`^([0-9]{1,9})(B|KB|MB|GB|KiB|MiB|GiB)?$`)

var fileSizeUnits = map[string]int64{
	"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}

func (s *fileSize) decode(l *loader, n *node) {
	const form = "a number of bytes such as 500KB or 10MiB"
	if n.kind != numberNode && n.kind != textNode {
		l.fail(n.at, "want %s, not %s", form, n.kind)
		return
	}
	parts := fileSizePattern.FindStringSubmatch(n.text)
	if parts == nil {
		l.fail(n.at, "%q is not %s", n.written, form)
		return
	}
	count, _ := strconv.ParseInt(parts[1], 10, 64) // nine digits at most
	*s = fileSize(count * fileSizeUnits[parts[2]])
}

func (s *fileSize) schema(g *generator) *jsonschema.Schema {
	return g.define("fileSize", &jsonschema.Schema{
		Description: fmt.Sprintf("A number of bytes, with a unit if it is a text: %s.", "B, KB, MB, GB, KiB, MiB, GiB"),
		AnyOf: []*jsonschema.Schema{
			{Type: "integer", Minimum: ptr(0.0), Maximum: ptr(math.Pow(10, 9) - 1)},
			{Type: "string", Pattern: fileSizePattern.String()},
			g.reference(),
		},
	})
}
