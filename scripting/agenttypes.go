package scripting

import "github.com/metasync/metasync/scripting/host"

// agentTypes are the types of what agents are given and return.
var agentTypes = host.Type{
	Name: "Agent types",
	Doc: "What `agentType` registers. Every function may be async. `schema` and one of `import` and `export` are needed.\n" +
		"Values are of the types of the schema: a text for string, reference and, as files have them, for any other type;\n" +
		"a number or BigInt for integer, true or false, a Date, a Uint8Array; an array for several values.",
	Text: `interface AgentType {
	/** One sentence about the system. */
	doc?: string;
	/** What an agent is told under settings of the configuration, by name. Without it, settings may hold anything. */
	settings?: Record<string, SettingType | Setting>;
	/** What the system can do. */
	capabilities?: AgentCapabilities;
	/** How long one call may take, at most and if absent "30s". */
	timeout?: string;
	/** How many changes export gets in one call, 20 if absent. */
	batchSize?: number;
	/** The object types of the system. */
	schema: AgentSchema | ((ctx: AgentContext) => AgentSchema | Promise<AgentSchema>);
	/** The parts of the system that are imported each by itself. */
	partitions?: readonly AgentPartition[] | ((ctx: AgentContext) => readonly AgentPartition[] | Promise<readonly AgentPartition[]>);
	/** Called before an import and before an export; what it returns, as JSON can hold it, is ctx.session. */
	open?(ctx: AgentContext): any;
	/** Returns a page of objects. What it throws ends the import, and nothing is taken for deleted. */
	import?(ctx: AgentContext): ImportPage | Promise<ImportPage>;
	/** Returns one object; null if it is surely gone, undefined if it was not found. Without open and close. */
	read?(ctx: AgentContext, key: ObjectKey): ImportedObject | null | undefined | Promise<ImportedObject | null | undefined>;
	/** Carries out changes, in their order; returns a result for each. What it throws ends the export, and all changes come again. */
	export?(ctx: AgentContext, changes: readonly AgentChange[]): readonly ExportResult[] | Promise<readonly ExportResult[]>;
	/** Called once after an open that returned: "completed" if everything was read or sent. */
	close?(ctx: AgentContext, outcome: "completed" | "aborted"): void | Promise<void>;
}
type SettingType = "string" | "integer" | "boolean" | "string[]" | "secret";
interface Setting {
	type: SettingType;
	doc?: string;
	required?: boolean;
	default?: string | number | boolean | readonly string[];
}
/** The object types by name. */
type AgentSchema = Readonly<Record<string, AgentObjectType>>;
interface AgentObjectType {
	/** The attributes that together identify an object, if there are some; otherwise objects are delivered with an anchor. */
	anchor?: string | readonly string[];
	/** A type, or more. */
	attributes: Readonly<Record<string, AgentAttributeType | AgentAttribute>>;
}
type AgentValueType = "string" | "integer" | "boolean" | "binary" | "datetime" | "reference";
type AgentAttributeType = AgentValueType | ` + "`${AgentValueType}[]`" + `;
interface AgentAttribute {
	/** "string" if absent. */
	type?: AgentAttributeType;
	/** It is never written. */
	importOnly?: boolean;
	/** It is never read, as a password. */
	exportOnly?: boolean;
	/** No object is created without it. */
	required?: boolean;
}
/** A name, or with it the LDAP name under which everything in it is. */
type AgentPartition = string | { name: string; root?: string };
interface AgentCapabilities {
	/** An import can deliver only what changed since a watermark; a full one returns the first. */
	deltaImport?: boolean;
	/** A delta import needs no full one before it. */
	deltaBeforeFull?: boolean;
	/** Objects have no name but their anchor: dn is left out, and references hold anchors. */
	anchorIsDN?: boolean;
	/** Names are LDAP distinguished names. */
	ldapNames?: boolean;
	/** Names that differ in upper and lower case alone are the same. */
	ignoreCase?: boolean;
	/** Names never change. */
	noRename?: boolean;
	/** With ldapNames: a rename does not rename what is below. */
	noContainerRename?: boolean;
	/** The empty text is no value there. */
	noEmptyText?: boolean;
	/** References to a renamed object may keep its former name, and no delta import tells of them: the engine has a full import run. */
	referencesStay?: boolean;
	/** New objects are created without references, which follow as an update. */
	noReferencesInFirstExport?: boolean;
	/** New objects are created without attributes that are exportOnly, which follow as an update. */
	noPasswordsInFirstExport?: boolean;
	/** Nothing is done before close, and nothing at all if that is aborted. */
	allOrNothing?: boolean;
	/** An export may be full: every object comes. */
	fullExport?: boolean;
	/** A replace with newObject deletes the object and creates another in its place. */
	deleteAddAsReplace?: boolean;
	/** No two agents that say so run at the same time. */
	noConcurrency?: boolean;
	/** What of an object a change carries: the values that come and go, whole attributes, or all of it; "attribute" if absent. */
	exportLevel?: "value" | "attribute" | "object";
	/** Which changes an import confirms; the others count at once. "all" if absent. */
	confirmation?: "all" | "no-delete" | "no-add-and-delete" | "none";
}
interface ImportPage {
	objects: readonly ImportedObject[];
	/** Where the next page begins, as JSON can hold it: its ctx.cursor. Without it this is the last page. */
	next?: any;
	/** Where the next delta import begins, as JSON can hold it. The last one given counts, once everything was read. */
	watermark?: any;
}
/** The value of an attribute that is unique in the system for good; several if the anchor has several attributes. */
type AgentAnchor = string | number | bigint | readonly (string | number | bigint)[];
/** An object: complete with attributes, or a change with changes or delete. */
interface ImportedObject {
	/** The object type; it can be left out if there is only one. */
	object?: string;
	/** It can be left out where attributes hold it. */
	anchor?: AgentAnchor;
	/** The name; where anchorIsDN it is left out. */
	dn?: string;
	/** All attributes. */
	attributes?: Readonly<Record<string, Result>>;
	/** What changed: the new values, null for none, or the values that come and go. */
	changes?: Readonly<Record<string, Result | { add?: Result; remove?: Result }>>;
	/** The object is gone. */
	delete?: boolean;
	/** The object could not be read: an error of this object alone. */
	error?: Error | string | { name?: ErrorName; text?: string; attribute?: string };
}
interface ObjectKey { object?: string; anchor?: string; dn?: string }
interface AgentChange {
	op: "add" | "update" | "replace" | "delete";
	object: string;
	/** The name; of an add, as it shall be. */
	dn: string;
	/** Absent of an add, and where only the name is known. */
	anchor?: string;
	/** The object gets this name. */
	newDN?: string;
	/** What shall be: an array if an attribute may have several values, null for none; with exportLevel "value", {add, remove} of several. */
	attributes: Record<string, any>;
	/** An interrupted export may have carried this out already: what is found in place is a success. */
	repeated?: boolean;
	/** With deleteAddAsReplace: another object takes the place of the old one. */
	newObject?: boolean;
	/** With repeated: dn may meanwhile be the name of another object, and newDN that of this one. */
	namePassed?: boolean;
}
/** true or {} is success. What is missing, undefined or anything else is an error of the object. */
type ExportResult = boolean | Error | ExportOutcome | null | undefined | Promise<boolean | Error | ExportOutcome>;
interface ExportOutcome {
	/** Of an add: the anchor that the system gave. */
	anchor?: AgentAnchor;
	/** The name, if the system changed it. */
	dn?: string;
	error?: Error | string | { name?: ErrorName; text?: string; attribute?: string };
	/** The attributes that were not taken; the rest of the change is done. */
	refused?: readonly string[];
	/** What else shall be done about the change, in a later pass of the same export; stop-run ends it. */
	action?: "none" | "retry-references" | "convert-update-to-add" | "convert-add-to-update" | "provision-parent" | "stop-run";
}
/** The name of an error, such as "cd-existing-object" of an object or "stopped-connectivity" of a step. */
type ErrorName = string;`,
}
