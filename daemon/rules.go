package daemon

import (
	"context"
	"reflect"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
)

// A RuleBook is the rules of a configuration as its files say, without its secrets.
type RuleBook struct {
	Dialect string // of the configuration
	Rules   []rules.Listed
}

// Rules reads the rules of a configuration, with the scripts whose functions they
// call. No connected system is asked.
func Rules(ctx context.Context, o Options) (*RuleBook, error) {
	c, err := assemble(ctx, o.withDefaults(), fromFolder)
	if err != nil {
		return nil, err
	}
	defer c.scripts.Close()
	model := c.config.Model
	list, err := rules.List(model, c.functions.ByName)
	if err != nil {
		return nil, redactedError(err, c.config.Secrets)
	}
	for i := range list {
		redactTexts(reflect.ValueOf(&list[i]).Elem(), c.config.Secrets)
	}
	return &RuleBook{Dialect: model.Dialect, Rules: list}, nil
}

// redactTexts takes the secrets out of all texts in a value, which shares nothing
// with the original after that. Places in files hold none.
func redactTexts(v reflect.Value, secrets []string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(config.Redact(secrets, v.String()))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[fault.Position]() {
			return
		}
		for i := range v.NumField() {
			redactTexts(v.Field(i), secrets)
		}
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(list, v)
		v.Set(list)
		for i := range v.Len() {
			redactTexts(v.Index(i), secrets)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		target := reflect.New(v.Type().Elem())
		target.Elem().Set(v.Elem())
		v.Set(target)
		redactTexts(target.Elem(), secrets)
	}
}
