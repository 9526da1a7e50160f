// Imports hr.csv as soon as it has changed. A program that writes the file piece
// by piece is given time to finish: nothing happens until the file has been
// quiet for two seconds.
//
// A trigger only asks for a run; the scheduler decides when, and does whatever
// follows from it: synchronize, export, confirm.

trigger("HR file", {
  agent: "HR",
  watch: "data/hr.csv",
  settle: "2s",
  run: "full-import",
});
