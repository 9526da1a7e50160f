package agent

import "strconv"

// An ExportLevel is how much of an object a change carries (sync-engine §2.4).
type ExportLevel uint8

// The export levels.
const (
	// ValueLevel: an update holds the attributes that change; attributes with
	// several values say which come and which go.
	ValueLevel ExportLevel = iota

	// AttributeLevel: an update holds all values of every attribute that changes,
	// as Add or Replace, or its Delete.
	AttributeLevel

	// ObjectLevel: in place of an Update comes a Replace. It holds all attributes
	// of the object, as Adds; what it leaves out shall have no value.
	ObjectLevel
)

// A Confirmation says which exported changes an import confirms (sync-engine
// §10.3). Those that none confirms count as arrived once the system has taken them.
type Confirmation uint8

// The confirmations.
const (
	ConfirmAll                 Confirmation = iota // an import confirms every change
	NoDeleteConfirmation                           // deletions count at once
	NoAddAndDeleteConfirmation                     // new objects and deletions count at once
	NoConfirmation                                 // every change counts at once
)

// An Action says what the engine has to do for a change that the system could
// not take in this form, or not yet (sync-engine §10.4). The object comes again
// in a later pass of the same export, after all others, and nobody is told unless
// that fails for good. [Result.Err] may say more about the reason.
type Action uint8

// The actions.
const (
	// NoAction: Result.Err decides.
	NoAction Action = iota

	// RetryReferences: everything is done but the references. They come again as
	// an Update that holds nothing else.
	RetryReferences

	// ConvertUpdateToAdd: the object is not there. It comes again as an Add of the
	// whole object.
	ConvertUpdateToAdd

	// ConvertAddToUpdate: the object is there already. It comes again as an Update
	// that gives it all the values of the Add.
	ConvertAddToUpdate

	// ProvisionParent: the object above it is missing. Nothing was done; it comes
	// again once the others have been sent.
	ProvisionParent

	// StopRun: nothing was done, and nothing of what comes after it in the same
	// Put: those results are not looked at. The export ends with
	// "stopped-entry-export-error"; what was not sent stays pending.
	StopRun
)

var actionNames = [...]string{
	"none", "retry-references", "convert-update-to-add", "convert-add-to-update", "provision-parent", "stop-run",
}

// String returns the name of the action.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "action(" + strconv.Itoa(int(a)) + ")"
}
