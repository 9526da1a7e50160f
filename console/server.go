package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/run"
)

const (
	// grace is how long a request that only reads may go on when the server ends.
	grace = 2 * time.Second
	// maxRequest bounds the size of a request in bytes: they are short queries.
	maxRequest = 1 << 20
)

// Serve serves a state folder until ctx is done. It then stops the runs that
// clients have started, lets their answers and those of short requests go out,
// waits for all of them, removes the socket and returns nil. The caller holds the
// lock of the state folder. log may be nil.
func Serve(ctx context.Context, stateFolder string, service Service, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	listener, err := listen(ctx, stateFolder)
	if err != nil {
		return fmt.Errorf("open the socket of the console: %w", err)
	}
	defer os.Remove(SocketPath(stateFolder))
	log.Debug("the console listens", "socket", SocketPath(stateFolder))
	return serve(ctx, listener, service, log)
}

// serve serves on any listener, which it closes.
func serve(ctx context.Context, listener net.Listener, service Service, log *slog.Logger) error {
	handler := newHandler(ctx, service)
	var open sync.RWMutex // read-locked by each request, locked for good in the end
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !open.TryRLock() {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			defer open.RUnlock()
			handler.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	err := serveUntil(ctx, listener, server)
	open.Lock()
	return err
}

// serveUntil serves a listener, which it closes, until ctx is done.
func serveUntil(ctx context.Context, listener net.Listener, server *http.Server) error {
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if server.Shutdown(closing) != nil {
			err = server.Close() // the contexts of requests end with it
		}
		if stopped := <-ended; !errors.Is(stopped, http.ErrServerClosed) {
			err = errors.Join(err, stopped)
		}
	}
	return err
}

// newHandler returns the pages of a service. What clients start with it ends
// with ctx, not with their connection.
func newHandler(ctx context.Context, service Service) http.Handler {
	mux := http.NewServeMux()
	answer(mux, pathStatus, func(ctx context.Context, _ nothing) (any, error) {
		return service.Status(ctx)
	})
	answer(mux, pathOrder, func(ctx context.Context, o daemon.Order) (any, error) {
		return nothing{}, service.Order(ctx, o)
	})
	answer(mux, pathPlan, func(ctx context.Context, _ nothing) (any, error) { return service.Plan(ctx) })
	answer(mux, pathHolds, func(ctx context.Context, q daemon.HoldQuery) (any, error) { return service.Holds(ctx, q) })
	answer(mux, pathDecide, func(ctx context.Context, by daemon.Decision) (any, error) { return service.Decide(ctx, by) })
	answer(mux, pathLog, func(ctx context.Context, q daemon.LogQuery) (any, error) {
		return service.Log(ctx, q)
	})
	answer(mux, pathHistory, func(ctx context.Context, q historyQuery) (any, error) {
		return service.History(ctx, q.Limit)
	})
	answer(mux, pathRecord, func(ctx context.Context, q recordQuery) (any, error) {
		return service.Record(ctx, q.Run)
	})
	handle(mux, pathConnectors, func(w http.ResponseWriter, r *http.Request, q engine.ConnectorQuery) {
		sendRows(w, func(yield func(engine.ConnectorView) error) error { return service.Connectors(r.Context(), q, yield) })
	})
	handle(mux, pathObjects, func(w http.ResponseWriter, r *http.Request, q engine.ObjectQuery) {
		sendRows(w, func(yield func(engine.ObjectView) error) error { return service.Objects(r.Context(), q, yield) })
	})
	answer(mux, pathContainers, func(ctx context.Context, q engine.ContainerQuery) (any, error) {
		return service.Containers(ctx, q)
	})
	answer(mux, pathDetails, func(ctx context.Context, q engine.DetailQuery) (any, error) {
		return service.Details(ctx, q)
	})
	answer(mux, pathVerify, func(ctx context.Context, _ nothing) (any, error) {
		return service.Verify(ctx)
	})
	handle(mux, pathExports, func(w http.ResponseWriter, r *http.Request, q exportsQuery) {
		sendRows(w, func(yield func(engine.ExportRow) error) error {
			return service.PendingExports(r.Context(), q.Agent, yield)
		})
	})
	handle(mux, pathBackup, func(w http.ResponseWriter, r *http.Request, _ nothing) {
		sendBytes(w, func(to io.Writer) error { return service.Backup(r.Context(), to) })
	})
	handle(mux, pathManual, func(w http.ResponseWriter, _ *http.Request, q manualRequest) {
		stream(w, func(run.Progress) (*run.Record, error) {
			return service.ByHand(ctx, q.Manual, q.User)
		})
	})
	handle(mux, pathRelease, func(w http.ResponseWriter, _ *http.Request, q releaseRequest) {
		stream(w, func(run.Progress) (*engine.ParkedView, error) {
			return service.Release(ctx, q.Agent, q.Key, q.User)
		})
	})
	answer(mux, pathPreview, func(ctx context.Context, q engine.PreviewQuery) (any, error) {
		return service.Preview(ctx, q)
	})
	answer(mux, pathExplain, func(ctx context.Context, q engine.ExplainQuery) (any, error) {
		return service.Explain(ctx, q)
	})
	answer(mux, pathScripts, func(ctx context.Context, _ nothing) (any, error) {
		return service.Scripts(ctx)
	})
	answer(mux, pathTry, func(ctx context.Context, q daemon.TryQuery) (any, error) {
		return service.Try(ctx, q)
	})
	handle(mux, pathGeneration, func(w http.ResponseWriter, _ *http.Request, q generationRequest) {
		stream(w, func(run.Progress) (*daemon.Held, error) {
			return service.DecideGeneration(ctx, q.GenerationVerdict, q.User)
		})
	})
	handle(mux, pathCommit, func(w http.ResponseWriter, _ *http.Request, q commitRequest) {
		stream(w, func(run.Progress) (*engine.Preview, error) {
			return service.CommitPreview(ctx, q.PreviewQuery, q.User)
		})
	})
	handle(mux, pathSingle, func(w http.ResponseWriter, _ *http.Request, q singleRequest) {
		stream(w, func(run.Progress) (*engine.SingleSync, error) {
			return service.SyncObject(ctx, q.SingleQuery, q.User)
		})
	})
	handle(mux, pathForecast, func(w http.ResponseWriter, r *http.Request, q daemon.ForecastQuery) {
		stream(w, func(report run.Progress) (*engine.Forecast, error) {
			return service.Forecast(r.Context(), q, report) // nobody needs one that nobody reads
		})
	})
	handle(mux, pathResync, func(w http.ResponseWriter, _ *http.Request, q resyncRequest) {
		stream(w, func(report run.Progress) ([]*run.Record, error) {
			return service.Resync(ctx, q.Resync, q.User, report)
		})
	})
	handle(mux, pathRemove, func(w http.ResponseWriter, _ *http.Request, q removeRequest) {
		stream(w, func(report run.Progress) (*run.Record, error) {
			return service.Remove(ctx, q.Removal, q.User, report)
		})
	})
	handle(mux, pathRemoval, func(w http.ResponseWriter, r *http.Request, q daemon.RemovalQuery) {
		stream(w, func(report run.Progress) (*engine.RemovalPreview, error) {
			return service.PreviewRemoval(r.Context(), q, report) // nobody needs one that nobody reads
		})
	})
	answer(mux, pathOrphans, func(ctx context.Context, q orphansQuery) (any, error) {
		return service.Orphans(ctx, q.File)
	})
	answer(mux, pathNotifyTest, func(ctx context.Context, q notifyTestRequest) (any, error) {
		return service.NotifyTest(ctx, q.To)
	})
	answer(mux, pathIncident, func(ctx context.Context, q daemon.IncidentClosing) (any, error) {
		return service.CloseIncident(ctx, q)
	})
	answer(mux, pathIsolate, func(ctx context.Context, q daemon.IsolationQuery) (any, error) {
		return service.Isolate(ctx, q)
	})
	answer(mux, pathWorkflow, func(ctx context.Context, q workflowRequest) (any, error) {
		return service.DecideWorkflow(ctx, q.WorkflowVerdict, q.User)
	})
	handle(mux, pathOnce, func(w http.ResponseWriter, _ *http.Request, q onceRequest) {
		stream(w, func(report run.Progress) (autosync.Summary, error) {
			return service.Once(ctx, q.Sweep, report)
		})
	})
	handle(mux, pathExec, func(w http.ResponseWriter, _ *http.Request, q execRequest) {
		stream(w, func(report run.Progress) (*run.Record, error) {
			return service.Exec(ctx, q.Agent, q.Profile, q.User, report)
		})
	})
	return mux
}

// handle has requests to a path served by a function that gets the query in
// their body.
func handle[Q any](mux *http.ServeMux, path string, serve func(http.ResponseWriter, *http.Request, Q)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var q Q
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&q); err != nil {
			fail(w, http.StatusBadRequest, fmt.Errorf("this is no request to %s: %w", path, err))
			return
		}
		serve(w, r, q)
	})
}

// answer has requests to a path answered by the result of a function.
func answer[Q any](mux *http.ServeMux, path string, find func(context.Context, Q) (any, error)) {
	handle(mux, path, func(w http.ResponseWriter, r *http.Request, q Q) {
		found, err := find(r.Context(), q)
		if err != nil {
			fail(w, http.StatusUnprocessableEntity, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// An error means that nobody reads any more.
		_ = json.NewEncoder(w).Encode(found)
	})
}

func fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(failureOf(err))
}
