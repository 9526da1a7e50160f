// Stops an agent when an import brings more changes than anybody expects.
//
// When to use: an import that changes half of all objects is rather a mistake in the
// source than the truth, and should not be synchronized before somebody has looked. The
// thresholds of the configuration do so for deletions; this one counts changes.
//
// It assumes an agent, here HR. Change the agent and the numbers. An agent has one
// controller: put another one's functions in here.
//
// The agent is stopped until somebody says `metasync resume`; what was imported is then
// synchronized. The first import is no surprise: it only adds.

const most = { updates: 200, deletes: 20 };

controller("HR", {
  executionComplete(run) {
    for (const { "staging-counters": staged = {} } of run.steps) {
      const counts = {
        updates: (staged["stage-update"] ?? 0) + (staged["stage-rename"] ?? 0) + (staged["stage-delete-add"] ?? 0),
        deletes: staged["stage-delete"] ?? 0,
      };
      for (const [what, count] of Object.entries(counts)) {
        if (count > most[what]) throw new UnexpectedChange(`run ${run.run} has staged ${count} ${what}, and ${most[what]} are usual at most`);
      }
    }
  },
});
