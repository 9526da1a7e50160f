package scripting

import (
	"slices"

	"github.com/metasync/metasync/scripting/host"
	"github.com/metasync/metasync/scripting/modules"
)

// table is everything that scripts see: one row each. What is bound, the types
// for editors and the tests all come from it.
var table = &host.API{
	Kinds: []host.Kind{
		flowFunctionKind,
		flowKind,
		extensionKind,
		metaverseKind,
		triggerKind,
		controllerKind,
		onKind,
		agentTypeKind,
		activityKind,
		configureKind,
		testKind,
	},
	Functions: modules.Functions,
	Objects: slices.Concat([]host.Object{
		*flowContext,
		*ruleContext,
		*provisionContext,
		*triggerContext,
		*triggerRequest,
		*triggerRun,
		*triggerState,
		*hookContext,
		*agentContext,
		*activityContext,
		*testObject,
		*host.Log,
		*host.Console,
	}, modules.Objects),
	Errors: slices.Concat(extensionErrors, []host.ErrorClass{unexpectedChange, agentErrorClass}),
	Types: slices.Concat([]host.Type{
		resultType,
		entryTypes,
		configurationTypes,
		extensionTypes,
		triggerOptionsType,
		requestsType,
		hookTypes,
		agentTypes,
		activityTypes,
		testTypes,
		testAgentTypes,
		testStubTypes,
		host.Module,
	}, modules.Types),
	Outside: "the functions of triggers, controllers and agents, activities, and those of on, may reach out; lookup gives rules what they need from a file",
	Instead: modules.Instead,
}

var resultType = host.Type{
	Name: "Results",
	Doc: "What a flow function may return: a value, several values, or nothing. Numbers are integers; use a BigInt beyond\n" +
		"2^53. A reference reads as its text, but a text cannot become a reference.",
	Text: `type Value = string | number | bigint | boolean | Date | Uint8Array;
type Result = Value | readonly Value[] | null | undefined | void;`,
}

// ReferencePage returns a page in Markdown that describes all that scripts can use.
func ReferencePage() []byte {
	return []byte("# Script API\n\n" +
		"What [scripts](scripting.md) can use, from the same table that the product binds and\n" +
		"that `metasync types` writes for editors.\n" + table.Markdown())
}
