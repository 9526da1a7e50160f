// Tests of change-count-guard.js: below its limits, and above them.

const imported = (counters) => ({ run: 7, profile: "delta-import", result: "success", steps: [{ type: "delta-import", "staging-counters": counters }] });

test("many changes stop the agent", (t) => {
  t.executionComplete("HR", imported({ "stage-add": 5000, "stage-update": 200, "stage-delete": 20 }));
  t.throws(() => t.executionComplete("HR", imported({ "stage-update": 150, "stage-rename": 51 })), UnexpectedChange);
  t.throws(() => t.executionComplete("HR", imported({ "stage-delete": 21 })), "run 7 has staged 21 deletes");
});
