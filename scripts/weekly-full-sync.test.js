// Tests of weekly-full-sync.js: what the trigger asks for.

test("the week asks for an exclusive full synchronization", (t) => {
  t.equal(t.trigger("weekly full synchronization of HR").requests, [{ agent: "HR", run: "full-sync", exclusive: true }]);
});
