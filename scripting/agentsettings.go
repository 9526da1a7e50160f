package scripting

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

// An agentSetting is something that an agent of a type can be told.
type agentSetting struct {
	Name, Type, Doc string
	Required        bool
	Default         any // plain, nil if there is none
}

// The types of settings, and what holds them while a configuration is read.
var settingTypes = map[string]reflect.Type{
	"string":   reflect.TypeFor[*string](),
	"integer":  reflect.TypeFor[*int64](),
	"boolean":  reflect.TypeFor[*bool](),
	"string[]": reflect.TypeFor[[]string](),
	"secret":   reflect.TypeFor[*agent.Secret](),
}

var settingTypeNames = []string{"string", "integer", "boolean", "string[]", "secret"}

var settingName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// settings reads the declaration of settings; declared is false if there is none.
func (o *options) settings(name string) (list []agentSetting, declared bool) {
	if !o.has(name) {
		return nil, false
	}
	obj, err := plainProperties(o.what+": "+name, o.fields[name])
	if err != nil {
		o.fail(err)
		return nil, true
	}
	for _, key := range obj.Keys() {
		setting := agentSetting{Name: key}
		what := o.what + ": setting " + strconv.Quote(key)
		inner := &options{what: what, fields: map[string]goja.Value{"type": obj.Get(key)}}
		if !goja.IsString(obj.Get(key)) {
			inner = readOptions(what, obj.Get(key), "type", "doc", "required", "default")
		}
		setting.Type, setting.Doc, setting.Required = inner.text("type"), inner.text("doc"), inner.flag("required")
		switch {
		case inner.err != nil:
		case !settingName.MatchString(key):
			inner.fail(invalid("%s is not called like a key of a configuration", what))
		case settingTypes[setting.Type] == nil:
			e := invalid("%s has the type %q", what, setting.Type)
			e.Hint = "the types are " + joined(settingTypeNames)
			inner.fail(e)
		case inner.has("default") && (setting.Required || setting.Type == "secret"):
			inner.fail(invalid("%s cannot have a default", what))
		case inner.has("default"):
			setting.Default = plainSetting(inner.fields["default"])
			inner.fail(setting.check(what+": default", setting.Default))
		}
		o.fail(inner.err)
		list = append(list, setting)
	}
	return list, true
}

// plainProperties returns an object whose keys are names.
func plainProperties(what string, v goja.Value) (*goja.Object, *fault.Error) {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Object" || isFunction(v) {
		return nil, invalid("%s must be an object", what)
	}
	return obj, nil
}

// plainSetting returns a value of a script as a configuration would hold it; what
// could not be in one becomes something that no setting can be.
func plainSetting(v goja.Value) any {
	if obj, ok := v.(*goja.Object); ok {
		if obj.ClassName() != "Array" {
			return struct{}{}
		}
		items := make([]any, min(obj.Get("length").ToInteger(), maxValues))
		for i := range items {
			items[i] = exported(obj.Get(strconv.Itoa(i)))
		}
		return items
	}
	return exported(v)
}

// check returns an error unless a plain value is one of the setting's type.
func (s *agentSetting) check(what string, v any) *fault.Error {
	ok := false
	switch s.Type {
	case "string", "secret":
		_, ok = v.(string)
	case "integer":
		_, ok = v.(int64)
	case "boolean":
		_, ok = v.(bool)
	case "string[]":
		var items []any
		if items, ok = v.([]any); ok {
			ok = !slices.ContainsFunc(items, func(item any) bool { _, text := item.(string); return !text })
		}
	}
	if ok {
		return nil
	}
	return invalid("%s must be of type %s", what, s.Type)
}

// form returns what a configuration fills: a pointer to a struct with a field for
// each setting, or to a map if they are not declared.
func (s *agentTypeSpec) form() any {
	if !s.Declared {
		return &map[string]any{}
	}
	fields := make([]reflect.StructField, len(s.Settings))
	for i, setting := range s.Settings {
		key := setting.Name
		if setting.Required {
			key += ",required"
		}
		tag := "yaml:" + strconv.Quote(key) + " doc:" + strconv.Quote(setting.Doc)
		if setting.Default != nil {
			tag += " default:" + strconv.Quote(defaultText(setting.Default))
		}
		fields[i] = reflect.StructField{Name: "F" + strconv.Itoa(i), Type: settingTypes[setting.Type], Tag: reflect.StructTag(tag)}
	}
	return reflect.New(reflect.StructOf(fields)).Interface()
}

// defaultText writes a default as YAML.
func defaultText(v any) string {
	items, isList := v.([]any)
	if !isList {
		if text, ok := v.(string); ok {
			return strconv.Quote(text)
		}
		return fmt.Sprint(v)
	}
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = defaultText(item)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// values returns what a form holds, and the defaults of what it does not.
func (s *agentTypeSpec) values(form any) map[string]any {
	if !s.Declared {
		return *form.(*map[string]any)
	}
	given := map[string]any{}
	filled := reflect.ValueOf(form).Elem()
	for i, setting := range s.Settings {
		v := filled.Field(i)
		switch {
		case v.IsNil():
			if setting.Default != nil {
				given[setting.Name] = setting.Default
			}
		case v.Kind() == reflect.Slice:
			items := make([]any, v.Len())
			for j := range items {
				items[j] = v.Index(j).String()
			}
			given[setting.Name] = items
		case v.Elem().Kind() == reflect.String:
			given[setting.Name] = v.Elem().String()
		default:
			given[setting.Name] = v.Elem().Interface()
		}
	}
	return given
}

// complete checks settings that no configuration holds, and adds the defaults.
func (s *agentTypeSpec) complete(what string, given map[string]any) (map[string]any, *fault.Error) {
	if !s.Declared {
		return given, nil
	}
	var known []string
	for i := range s.Settings {
		setting := &s.Settings[i]
		known = append(known, setting.Name)
		v, ok := given[setting.Name]
		switch {
		case ok:
			if err := setting.check(what+"."+setting.Name, v); err != nil {
				return nil, err
			}
		case setting.Required:
			return nil, invalid("%s.%s is missing", what, setting.Name)
		case setting.Default != nil:
			given[setting.Name] = setting.Default
		}
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(known, key) {
			e := invalid("%s: there is no setting %q", what, key)
			if near := fault.Suggest(key, known); near != "" {
				e.Hint = "did you mean " + near + "?"
			}
			return nil, e
		}
	}
	return given, nil
}

// secrets returns the names of the settings that scripts must not see.
func (s *agentTypeSpec) secrets() map[string]bool {
	names := map[string]bool{}
	for _, setting := range s.Settings {
		if setting.Type == "secret" {
			names[setting.Name] = true
		}
	}
	return names
}

// agentKeys are the keys of an agent that a script implements.
type agentKeys struct {
	generation *Generation
	r          *host.Registration

	Timeout time.Duration `yaml:"timeout" default:"what the type says" doc:"How long one call of the script may take, which reads a page or writes a batch; 30s at most."`
}

// optionalSettings are the keys of an agent that can do without settings.
type optionalSettings struct {
	agentKeys
	Settings any `yaml:"settings" doc:"What the script is told, see its type."`
}

// neededSettings are the keys of an agent that cannot.
type neededSettings struct {
	agentKeys
	Settings any `yaml:"settings,required" doc:"What the script is told, see its type."`
}

// Open implements [agent.Settings].
func (s *optionalSettings) Open(env agent.Env) (agent.Agent, error) { return s.open(env, s.Settings) }

// Open implements [agent.Settings].
func (s *neededSettings) Open(env agent.Env) (agent.Agent, error) { return s.open(env, s.Settings) }

func (k *agentKeys) open(env agent.Env, form any) (agent.Agent, error) {
	if k.Timeout <= 0 || k.Timeout > host.MaxTimeout {
		return nil, fault.New("no-start-bad-ma-configuration", "timeout is %s, and can be at most %s", k.Timeout, host.MaxTimeout)
	}
	spec := k.r.Spec.(*agentTypeSpec)
	a := &scriptAgent{
		generation: k.generation, r: k.r, spec: spec, name: env.Name, objects: env.Objects, timeout: k.Timeout,
		settings: spec.values(form), secrets: spec.secrets(),
	}
	if spec.Schema != nil {
		if _, err := a.completed(*spec.Schema); err != nil {
			return nil, err
		}
	}
	return a.capable(), nil
}

// joined lists words for people.
func joined(words []string) string { return strings.Join(words, ", ") }
