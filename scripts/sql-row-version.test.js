// Tests of sql-row-version.js: when it asks for an import.

test("a newer row version asks for an import, once", (t) => {
  let version = 7;
  t.sql(({ function: called, database, statement }) => {
    t.equal([called, database], ["query", "payroll"]);
    t.equal(statement.includes("max("), true);
    return [{ version }];
  });
  const first = t.trigger("payroll changes");
  t.equal(first.requests, [{ agent: "HR", run: "delta-import" }]);
  t.equal(t.trigger("payroll changes", { state: first.state }).requests, []);
  version = 8;
  t.equal(t.trigger("payroll changes", { state: first.state }), { requests: [{ agent: "HR", run: "delta-import" }], state: { version: "8" } });
});

test("a database that is away asks for nothing", (t) => {
  t.sql(() => { throw new Error("connection refused"); });
  t.throws(() => t.trigger("payroll changes"), "connection refused");
});
