// Tests of ticket.js: what the ticket system is sent, and its signature.

const ended = (result, ...errors) => ({
  record: { run: 7, agent: "HR", profile: "delta-sync", result, steps: [{ type: "delta-sync", "synchronization-errors": errors }] },
});

test("errors open a ticket once, and a success closes it", (t) => {
  t.secret("tickets", "the key");
  const sent = [];
  t.http((request) => {
    t.equal(request.headers["x-signature"], "sha256=" + hash.hmac("the key", request.body));
    sent.push(request.json);
    return { status: 200 };
  });
  const failed = ended("completed-sync-errors", { dn: "CN=Ada", "error-type": "flow-multi-values-to-single-value" });
  const open = t.event("run.completed", failed);
  t.equal(sent, [{
    key: "HR delta-sync", state: "open", run: 7, result: "completed-sync-errors", errors: 1,
    first: ["CN=Ada flow-multi-values-to-single-value"],
  }]);
  t.equal(t.event("run.completed", failed, { state: open }), open);
  t.equal(sent.length, 1);
  t.equal(t.event("run.completed", ended("success"), { state: open }), {});
  t.equal(sent[1], { key: "HR delta-sync", state: "resolved", run: 7 });
  t.event("run.completed", ended("success"));
  t.equal(sent.length, 2);
});

test("a ticket that could not be opened is opened by the next error", (t) => {
  t.secret("tickets", "the key");
  t.http(() => ({ status: 500 }));
  t.throws(() => t.event("run.completed", ended("stopped-connectivity")), "the ticket system said 500");
});
