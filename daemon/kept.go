package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/scripting"
)

// What is in force is kept in the store, as texts: the scripts, and the files of the
// configuration. So a restart can go on with it although the files say something else.
// What ${} stands for is not in these texts.

// configFiles are the files of a configuration, the main one first.
type configFiles []configFile

// A configFile is one of them. Its name is relative to the folder of the
// configuration, if the file is below that; that of the main file is "", for
// somebody may move it.
type configFile struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// A configReader reads the files of a configuration, each of them once: all that is
// made of a configuration is made of one text.
type configReader struct {
	kept map[string]string // by absolute path; nil reads files
	read map[string]string
}

func newConfigReader(o Options) *configReader {
	r := &configReader{read: map[string]string{}}
	if o.kept != nil {
		r.kept = map[string]string{}
		for i, f := range *o.kept {
			path := f.Name
			if i == 0 {
				path = o.File
			} else if !filepath.IsAbs(path) {
				path = filepath.Join(filepath.Dir(o.File), filepath.FromSlash(path))
			}
			if absolute, err := filepath.Abs(path); err == nil {
				r.kept[absolute] = f.Text
			}
		}
	}
	return r
}

// options returns the options of a loader that reads through r.
func (r *configReader) options(o Options) config.Options {
	options := config.Options{Kinds: o.Kinds, ReadFile: r.file}
	if r.kept != nil {
		options.Glob = r.match
	}
	return options
}

func (r *configReader) file(path string) ([]byte, error) {
	if text, ok := r.kept[path]; ok {
		return []byte(text), nil
	}
	if text, ok := r.read[path]; ok {
		return []byte(text), nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r.read[path] = string(data)
	return data, nil
}

// match is filepath.Glob over the files that are kept.
func (r *configReader) match(pattern string) ([]string, error) {
	var found []string
	for _, path := range slices.Sorted(maps.Keys(r.kept)) {
		matches, err := filepath.Match(pattern, path)
		if err != nil {
			return nil, err
		}
		if matches {
			found = append(found, path)
		}
	}
	return found, nil
}

// sources returns the files that a configuration was made of.
func (r *configReader) sources(cfg *config.Config) configFiles {
	var files configFiles
	for i, path := range cfg.Sources {
		text, ok := r.kept[path]
		if !ok {
			text = r.read[path]
		}
		name := path
		if relative, err := filepath.Rel(cfg.Dir, path); err == nil && filepath.IsLocal(relative) {
			name = filepath.ToSlash(relative)
		}
		if i == 0 {
			name = ""
		}
		files = append(files, configFile{name, text})
	}
	return files
}

// setMark notes by what the candidate is told from any other.
func (c *candidate) setMark() error {
	var scripts keptScripts
	if err := c.scripts.Keep(&scripts); err != nil {
		return err
	}
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(c.sources); err != nil {
		return err
	}
	h.Write(scripts.snapshot)
	c.mark = hex.EncodeToString(h.Sum(nil))
	return nil
}

// keptScripts hold the sources of scripts; they are a host.Keeper.
type keptScripts struct{ snapshot []byte }

// Kept returns the sources.
func (k *keptScripts) Kept() ([]byte, error) { return k.snapshot, nil }

// Keep takes the sources over.
func (k *keptScripts) Keep(snapshot []byte) error {
	k.snapshot = snapshot
	return nil
}

// A good is what was in force last, as texts.
type good struct {
	scripts keptScripts
	sources configFiles // nil of a store in which only scripts are kept
	mark    string
}

const bucketScripts store.Bucket = "scripts" // the last good generation

var (
	keyLastGood   = []byte("last-good")
	keyGoodConfig = []byte("last-good-configuration")
)

// keptConfig is the durable form of a configuration.
type keptConfig struct {
	Version int         `json:"version"`
	Mark    string      `json:"mark"`
	Files   configFiles `json:"files"`
}

const keptVersion = 1

// keep stores a candidate as the last good one.
func (d *Daemon) keep(c *candidate) error {
	var scripts keptScripts
	if err := c.scripts.Keep(&scripts); err != nil {
		return err
	}
	sources, err := json.Marshal(keptConfig{keptVersion, c.mark, c.sources})
	if err != nil {
		return err
	}
	return d.state.Update(func(tx store.Tx) error {
		if string(tx.Get(bucketScripts, keyLastGood)) == string(scripts.snapshot) && string(tx.Get(bucketScripts, keyGoodConfig)) == string(sources) {
			return nil
		}
		return errors.Join(tx.Put(bucketScripts, keyLastGood, scripts.snapshot), tx.Put(bucketScripts, keyGoodConfig, sources))
	})
}

// good returns what was in force last, nil if nothing ever was.
func (d *Daemon) good() (*good, error) {
	var g good
	var sources []byte
	err := d.state.View(func(r store.Reader) error {
		g.scripts.snapshot = append(g.scripts.snapshot, r.Get(bucketScripts, keyLastGood)...)
		sources = append(sources, r.Get(bucketScripts, keyGoodConfig)...)
		return nil
	})
	if err != nil || g.scripts.snapshot == nil {
		return nil, err
	}
	if sources == nil {
		return &g, nil
	}
	var kept keptConfig
	if err := json.Unmarshal(sources, &kept); err != nil {
		return nil, fmt.Errorf("kept configuration: %w", err)
	}
	if kept.Version != keptVersion {
		return nil, fmt.Errorf("kept configuration: unknown version %d", kept.Version)
	}
	g.sources, g.mark = kept.Files, kept.Mark
	return &g, nil
}

// assembleGood loads what was in force last, configuration and scripts.
func (d *Daemon) assembleGood(ctx context.Context, g *good) (*candidate, error) {
	o := d.options
	o.kept = &g.sources
	return assemble(ctx, o, func(ctx context.Context, l *scripting.Loader) (*scripting.Generation, error) {
		return l.LoadKept(ctx, &g.scripts)
	})
}
