// Imports when a table has a newer row version than the one before.
//
// When to use: a management agent reads a database whose rows have a number that grows
// with every change: a sequence, a rowversion of SQL Server, a counter that a database
// trigger sets. The table is asked every half minute, and imported only if it changed.
//
// It assumes a database in scripting.sql of the configuration, here payroll, and an agent
// that reads it, here HR. Change these, and the statement. A row that is deleted has no
// version any more: have the statement look at a table of deleted rows as well, or leave
// deletions to the nightly full import.
//
// SQL Server: select max(cast(row_version as bigint)) as version from employees

const database = "payroll";
const statement = "select max(row_version) as version from employees";

trigger("payroll changes", {
  agent: "HR",
  every: "30s",
  check(ctx) {
    // As a text: a version may have more digits than a number of JSON.
    const version = String(sql.one(database, statement)?.version ?? "");
    if (version === ctx.state.get("version")) return;
    ctx.state.set("version", version);
    return "delta-import";
  },
});
