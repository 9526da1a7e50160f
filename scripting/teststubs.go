package scripting

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/scripting/host"
	"github.com/metasync/metasync/scripting/modules"
)

// What tests make up of the world outside, and the activities that act on it.

var testStubs = []host.Member{
	{
		Name: "activity", Signature: "(name: string, call?: TestActivity, options?: { state?: Record<string, any> }): Record<string, any>",
		Doc: "Calls an activity for an object; returns what it remembers then.", Call: testActivity,
	},
	{
		Name: "http", Signature: "(fn: (request: TestRequest) => TestResponse): void",
		Doc: "Answers the requests of triggers, hooks and activities in the rest of the test.",
		Call: func(a *host.Active, args []goja.Value) (goja.Value, error) {
			return nil, stub(args, "http", &testOf(a).made.http)
		},
	},
	{
		Name: "sql", Signature: "(fn: (statement: TestStatement) => any): void",
		Doc: "Answers the statements of triggers, hooks and activities in the rest of the test: with an array of rows, or with\n" +
			"the number of rows that sql.exec has changed. Values are those of JSON.",
		Call: func(a *host.Active, args []goja.Value) (goja.Value, error) {
			return nil, stub(args, "sql", &testOf(a).made.sql)
		},
	},
	{
		Name: "ldap", Signature: "(fn: (question: TestQuestion) => any): void",
		Doc: "Answers the questions of triggers, hooks and activities to directories in the rest of the test: with what the\n" +
			"function of ldap is to return.",
		Call: func(a *host.Active, args []goja.Value) (goja.Value, error) {
			return nil, stub(args, "ldap", &testOf(a).made.ldap)
		},
	},
	{
		Name: "files", Signature: "(files?: Record<string, string>): Record<string, string>",
		Doc: "Gives triggers, hooks and activities these files in the rest of the test, by path, in place of those that it gave\n" +
			"before; returns all that there are, with what was written meanwhile.",
		Call: testFiles,
	},
	{
		Name: "secret", Signature: "(name: string, value: string): void",
		Doc: "Gives a secret its value for the rest of the test, whatever the configuration says.", Call: testSecret,
	},
}

var testStubTypes = host.Type{
	Name: "The world of tests",
	Doc:  "What a test makes up: the object of an activity, statements, and questions to directories.",
	Text: `interface TestActivity {
	object?: TestEntry;
	/** Without it there is none. */
	metaverse?: TestEntry;
	changes?: Record<string, { operation: string; values?: any[]; removed?: any[] }>;
	operation?: string;
	workflow?: string;
	on?: string;
	id?: string;
	try?: number;
	run?: Record<string, any>;
}
interface TestStatement {
	/** query for sql.query and sql.one; or exec. */
	readonly function: "query" | "exec";
	readonly database: string;
	readonly statement: string;
	readonly parameters?: readonly any[];
}
interface TestQuestion {
	readonly function: "search" | "read" | "changes";
	readonly directory: string;
	/** The search, the name of an entry, or what is watched. */
	readonly about: any;
}`,
}

// madeUp is what a test makes up of the world outside. A function is nil if the test
// has not given it.
type madeUp struct {
	http, sql, ldap goja.Value
	files           map[string][]byte
	secrets         map[string]string
}

// stub keeps a function that answers.
func stub(args []goja.Value, name string, to *goja.Value) error {
	if len(args) == 1 {
		if _, ok := goja.AssertFunction(args[0]); ok {
			*to = args[0]
			return nil
		}
	}
	return errors.New(name + " takes a function that answers")
}

type environmentKey struct{}

// withEnvironment returns a context whose calls of triggers, hooks and activities find
// something else than what is granted.
func withEnvironment(ctx context.Context, env *modules.Env) context.Context {
	return context.WithValue(ctx, environmentKey{}, env)
}

// environment returns that of a test, nil outside of one.
func environment(ctx context.Context) any {
	if env, ok := ctx.Value(environmentKey{}).(*modules.Env); ok {
		return env
	}
	return nil
}

// environment returns what the functions under test reach: nothing but what the test
// has made up.
func (r *testRun) environment(a *host.Active) *modules.Env {
	env := stubbed(a, r.made.http)
	env.Secrets = maps.Clone(env.Secrets)
	if env.Secrets == nil {
		env.Secrets = map[string]string{}
	}
	maps.Copy(env.Secrets, r.made.secrets)
	env.Stubs = &modules.Stubs{Files: r.made.files, Now: a.Now}
	if r.made.sql != nil {
		env.Stubs.SQL = func(function, database, statement string, parameters any) (any, error) {
			asked := map[string]any{"function": function, "database": database, "statement": statement}
			if parameters != nil {
				asked["parameters"] = parameters
			}
			return answerOf(a, r.made.sql, asked)
		}
	}
	if r.made.ldap != nil {
		env.Stubs.LDAP = func(function, directory string, about any) (any, error) {
			return answerOf(a, r.made.ldap, map[string]any{"function": function, "directory": directory, "about": about})
		}
	}
	return env
}

// answerOf has a function of a test answer. Questions and answers go from one worker to
// another, so both are plain.
func answerOf(a *host.Active, fn goja.Value, asked any) (out any, err error) {
	err = a.Guard(func() error {
		call, _ := goja.AssertFunction(fn) // it was found to be one
		question, err := a.ToScript(asked)
		if err != nil {
			return err
		}
		v, err := call(goja.Undefined(), question)
		if err != nil {
			return a.Fault(err)
		}
		if nothing(v) {
			return nil
		}
		out, err = a.Plain(v)
		return err
	})
	return out, err
}

func testFiles(a *host.Active, args []goja.Value) (goja.Value, error) {
	run := testOf(a)
	if len(args) > 0 && !nothing(args[0]) {
		obj, err := plainProperties("the files", args[0])
		if err != nil {
			return nil, err
		}
		run.made.files = map[string][]byte{}
		for _, name := range obj.Keys() {
			run.made.files[name] = []byte(obj.Get(name).String())
		}
	}
	shown := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(run.made.files)) {
		shown[name] = string(run.made.files[name])
	}
	return a.ToScript(shown)
}

func testSecret(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := argumentsOf(a, "secret takes a name and a value", args, 2, 2)
	name, value := r.text(0), r.text(1)
	if r.err != nil {
		return nil, r.err
	}
	run := testOf(a)
	if run.made.secrets == nil {
		run.made.secrets = map[string]string{}
	}
	run.made.secrets[name] = value
	return nil, nil
}

func testActivity(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := argumentsOf(a, "activity takes a name, what it is called for and options", args, 1, 3)
	call := ActivityCall{Activity: r.text(0), ID: "1", Try: 1, Counter: "export-add", Operation: "add"}
	if r.err != nil {
		return nil, r.err
	}
	run := testOf(a)
	if !nothing(r.at(1)) {
		o := readOptions("the call", r.at(1), "object", "metaverse", "changes", "operation", "workflow", "on", "id", "try", "run")
		for name, to := range map[string]*string{"operation": &call.Operation, "workflow": &call.Workflow, "on": &call.Counter, "id": &call.ID} {
			if o.has(name) {
				*to = o.text(name)
			}
		}
		if n := o.whole("try", 1, 1000); n > 0 {
			call.Try = n
		}
		for name, to := range map[string]*json.RawMessage{"changes": &call.Changes, "run": &call.Run} {
			if o.has(name) {
				var err error
				if *to, err = toJSON(a, name, o.fields[name]); err != nil {
					return nil, err
				}
			}
		}
		if o.err != nil {
			return nil, o.err
		}
		if o.has("object") {
			object, err := run.connector(a, o.fields["object"], "", "")
			if err != nil {
				return nil, err
			}
			call.Object = object
		}
		if o.has("metaverse") {
			object, err := run.object(a, o.fields["metaverse"], "")
			if err != nil {
				return nil, err
			}
			call.Metaverse = object
		}
	}
	if call.Object == nil {
		call.Object = &plainConnector{target: &plainObject{}}
	}
	state, err := readState(a, r.at(2))
	if err != nil {
		return nil, err
	}
	surroundings := Surroundings{State: func(string, string) autosync.State { return state }}
	if err := run.generation.Perform(testContext(a), surroundings, call); err != nil {
		return nil, called(err)
	}
	remembered, err := state.values(a)
	if err != nil {
		return nil, err
	}
	return a.ToScript(remembered)
}
