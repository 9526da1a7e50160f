// Tests of maintenance-window.js: at its beginning and its end, in winter and in summer.

test("nothing is exported in the window", (t) => {
  const allowed = (time, run = "export") => {
    t.at(time);
    return t.shouldExecute("Directory", { run }).allow;
  };
  t.equal(allowed("2026-01-08T18:59:00Z"), true);
  t.equal(allowed("2026-01-08T19:00:00Z"), false);
  t.equal(allowed("2026-01-08T21:59:00Z"), false);
  t.equal(allowed("2026-01-08T22:00:00Z"), true);
  t.equal(allowed("2026-07-09T18:00:00Z"), false); // summer time
  t.equal(allowed("2026-01-09T20:00:00Z"), true); // a Friday
  t.equal(allowed("2026-01-08T20:00:00Z", "delta-import"), true);
});

test("what waits is asked about again", (t) => {
  t.at("2026-01-08T20:00:00Z");
  t.equal(t.shouldExecute("Directory", { run: "export" }), { allow: false, reason: "maintenance until 23:00", retryAfter: 600, state: {} });
});
