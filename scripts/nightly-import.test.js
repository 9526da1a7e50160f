// Tests of nightly-import.js: what the trigger asks for.

test("the night asks for a full import", (t) => {
  t.equal(t.trigger("nightly import of HR").requests, [{ agent: "HR", run: "full-import" }]);
});
