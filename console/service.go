package console

import (
	"context"
	"io"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/notify"
	"github.com/metasync/metasync/engine/run"
)

// A Service is what a daemon does for others. Its methods may be called from
// several goroutines.
//
// ByHand, Release, CommitPreview, SyncObject, DecideGeneration, Resync, Remove, Once and Exec are carried out by the daemon and not for the connection: a
// [Client] whose context ends stops waiting, and the run goes on.
type Service interface {
	// Status tells what is going on.
	Status(ctx context.Context) (daemon.Status, error)
	// History returns at most limit run records, the newest first.
	History(ctx context.Context, limit int) ([]*run.Record, error)
	// Record returns the record of a run, nil if there is none.
	Record(ctx context.Context, number uint64) (*run.Record, error)
	// Connectors calls yield with connector-space objects, in the order of their ids.
	// An error of yield ends it.
	Connectors(ctx context.Context, q engine.ConnectorQuery, yield func(engine.ConnectorView) error) error
	// Objects calls yield with metaverse objects, in the order of their ids.
	Objects(ctx context.Context, q engine.ObjectQuery, yield func(engine.ObjectView) error) error
	// Containers lists the containers of a system.
	Containers(ctx context.Context, q engine.ContainerQuery) ([]engine.ContainerView, error)
	// Details returns the objects behind a counter of a run.
	Details(ctx context.Context, q engine.DetailQuery) ([]engine.DetailView, error)
	// PendingExports calls yield with what the next exports of an agent would do,
	// of all agents if it is "". An error of yield ends it.
	PendingExports(ctx context.Context, agent string, yield func(engine.ExportRow) error) error
	// Verify returns what is wrong in the stores.
	Verify(ctx context.Context) ([]string, error)
	// Backup writes a copy of the stores. After an error, what was written is none.
	Backup(ctx context.Context, w io.Writer) error
	// ByHand joins, disconnects or projects an object for a user and returns the
	// record of the run that this was.
	ByHand(ctx context.Context, m engine.Manual, user string) (*run.Record, error)
	// Release has a parked object exported again, for a user, and returns what was
	// known of it.
	Release(ctx context.Context, agent, key, user string) (*engine.ParkedView, error)
	// Preview tells what the synchronization of an object would do and why.
	Preview(ctx context.Context, q engine.PreviewQuery) (*engine.Preview, error)
	// CommitPreview synchronizes an object for a user and tells what was done.
	CommitPreview(ctx context.Context, q engine.PreviewQuery, user string) (*engine.Preview, error)
	// SyncObject takes one object from its system through everything, for a user, and
	// tells what was done.
	SyncObject(ctx context.Context, q engine.SingleQuery, user string) (*engine.SingleSync, error)
	// Forecast says what a full synchronization of everything would change, or in
	// what another configuration would end differently. progress may be nil.
	Forecast(ctx context.Context, q daemon.ForecastQuery, progress run.Progress) (*engine.Forecast, error)
	// Scripts tells which scripts are in force, and which were refused.
	Scripts(ctx context.Context) (*daemon.ScriptsView, error)
	// Try calls one function of the scripts on a stored object and changes nothing.
	Try(ctx context.Context, q daemon.TryQuery) (*daemon.Tried, error)
	// DecideGeneration approves or rejects a change of scripts or configuration that is
	// held, for a user, and returns it.
	DecideGeneration(ctx context.Context, v daemon.GenerationVerdict, user string) (*daemon.Held, error)
	// Explain tells the story of an object.
	Explain(ctx context.Context, q engine.ExplainQuery) (*engine.Explanation, error)
	// Resync synchronizes chosen objects fully for a user and returns the records of
	// the runs, also of those before an error. progress may be nil.
	Resync(ctx context.Context, q engine.Resync, user string, progress run.Progress) ([]*run.Record, error)
	// Remove removes what the configuration no longer has, for a user, and returns
	// the record of the run. progress may be nil.
	Remove(ctx context.Context, r engine.Removal, user string, progress run.Progress) (*run.Record, error)
	// PreviewRemoval says what a removal would do. progress may be nil.
	PreviewRemoval(ctx context.Context, q daemon.RemovalQuery, progress run.Progress) (*engine.RemovalPreview, error)
	// Orphans returns what the state holds and the configuration in a file, whose
	// path is absolute, does not have.
	Orphans(ctx context.Context, file string) ([]engine.Orphan, error)
	// NotifyTest sends a test message through every channel, mail only to an address
	// if it is given, and says what became of each.
	NotifyTest(ctx context.Context, to string) ([]notify.Trial, error)
	// CloseIncident ends an incident that somebody was told of, for a user.
	CloseIncident(ctx context.Context, q daemon.IncidentClosing) (*notify.Incident, error)
	// Isolate tells which rule functions of the scripts of a configuration depend on
	// what earlier calls left behind, on samples of the stored objects.
	Isolate(ctx context.Context, q daemon.IsolationQuery) (*daemon.Isolation, error)
	// DecideWorkflow has what workflows failed at tried again, or forgets it, for a
	// user, and returns how many entries that were.
	DecideWorkflow(ctx context.Context, v daemon.WorkflowVerdict, user string) (int, error)
	// Once does all there is to do. The summary counts also with an error: it
	// tells what was done until then. progress may be nil.
	Once(ctx context.Context, sweep autosync.Sweep, progress run.Progress) (autosync.Summary, error)
	// Exec carries out one run profile for a user and returns its record.
	// progress may be nil.
	Exec(ctx context.Context, agent, profile, user string, progress run.Progress) (*run.Record, error)
	// Order has the scheduler do something.
	Order(ctx context.Context, o daemon.Order) error
	// Holds tells what thresholds hold.
	Holds(ctx context.Context, q daemon.HoldQuery) (daemon.Holds, error)
	// Decide approves or rejects what thresholds hold, and returns what it was about.
	Decide(ctx context.Context, by daemon.Decision) (daemon.Holds, error)
	// Plan tells what was chosen for each agent, and why.
	Plan(ctx context.Context) ([]daemon.AgentPlan, error)
	// Log returns lines of the log, the newest first.
	Log(ctx context.Context, q daemon.LogQuery) ([]daemon.Note, error)
}

var _ Service = (*daemon.Daemon)(nil)

// The paths. Queries are sent as the JSON of their types.
const (
	pathStatus     = "/api/status"
	pathHistory    = "/api/history"
	pathRecord     = "/api/record"
	pathConnectors = "/api/connectors"
	pathObjects    = "/api/objects"
	pathContainers = "/api/containers"
	pathDetails    = "/api/details"
	pathExports    = "/api/pending-exports"
	pathVerify     = "/api/verify"
	pathBackup     = "/api/backup"
	pathManual     = "/api/manual"
	pathRelease    = "/api/release"
	pathPreview    = "/api/preview"
	pathCommit     = "/api/commit-preview"
	pathSingle     = "/api/sync-object"
	pathForecast   = "/api/forecast"
	pathExplain    = "/api/explain"
	pathScripts    = "/api/scripts"
	pathTry        = "/api/try"
	pathGeneration = "/api/decide-generation"
	pathResync     = "/api/resync"
	pathRemove     = "/api/remove"
	pathRemoval    = "/api/preview-removal"
	pathOrphans    = "/api/orphans"
	pathNotifyTest = "/api/notify-test"
	pathIncident   = "/api/close-incident"
	pathIsolate    = "/api/isolate"
	pathWorkflow   = "/api/decide-workflow"
	pathOnce       = "/api/once"
	pathExec       = "/api/exec"
	pathOrder      = "/api/order"
	pathLog        = "/api/log"
	pathPlan       = "/api/plan"
	pathHolds      = "/api/holds"
	pathDecide     = "/api/decide"
)

type historyQuery struct {
	Limit int `json:"limit"`
}

type recordQuery struct {
	Run uint64 `json:"run"`
}

type onceRequest struct {
	Sweep autosync.Sweep `json:"sweep"`
}

type execRequest struct {
	Agent   string `json:"agent"`
	Profile string `json:"profile"`
	User    string `json:"user"`
}

type exportsQuery struct {
	Agent string `json:"agent"`
}

type releaseRequest struct {
	Agent string `json:"agent"`
	Key   string `json:"key"`
	User  string `json:"user"`
}

type manualRequest struct {
	engine.Manual
	User string `json:"user"`
}

type commitRequest struct {
	engine.PreviewQuery
	User string `json:"user"`
}

type singleRequest struct {
	engine.SingleQuery
	User string `json:"user"`
}

type resyncRequest struct {
	engine.Resync
	User string `json:"user"`
}

type generationRequest struct {
	daemon.GenerationVerdict
	User string `json:"user"`
}

type removeRequest struct {
	engine.Removal
	User string `json:"user"`
}

type workflowRequest struct {
	daemon.WorkflowVerdict
	User string `json:"user"`
}

type notifyTestRequest struct {
	To string `json:"to"`
}

type orphansQuery struct {
	File string `json:"file"`
}

// nothing is the query of what needs none.
type nothing struct{}
