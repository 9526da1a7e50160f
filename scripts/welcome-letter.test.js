// Tests of welcome-letter.js: what the service is sent, and what becomes of its answer.

const created = {
  workflow: "welcome", id: "31",
  object: { $agent: "Accounts", $object: "account", $anchor: "aberg" },
  metaverse: { displayName: "Ada Berg" },
};

test("a new account orders a letter", (t) => {
  t.secret("letters", "a token");
  const orders = [];
  t.http((request) => {
    orders.push({ order: request.json, key: request.headers["idempotency-key"] });
    return { status: 201 };
  });
  t.activity("welcome letter", created);
  t.equal(orders, [{ order: { to: "Ada Berg", account: "aberg", template: "welcome" }, key: "welcome 31" }]);
});

test("an order that is refused is no order", (t) => {
  t.secret("letters", "a token");
  t.http(() => ({ status: 503, body: "later" }));
  t.throws(() => t.activity("welcome letter", created), "the letter service said 503: later");
  t.throws(() => t.activity("welcome letter", { ...created, metaverse: undefined }), "nobody has the account aberg");
});
