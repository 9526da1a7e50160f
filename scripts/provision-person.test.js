// Tests of provision-person.js: who gets what.

const ada = { employeeID: "7", givenName: "Ada", sn: "Berg" };

test("a new person gets an account and a mailbox", (t) => {
  t.equal(t.provision("person", ada), [
    { create: { agent: "Accounts", object: "account", attributes: { accountName: "aberg", employeeID: "7" } } },
    { create: { agent: "Mail", object: "mailbox", attributes: { address: "ada.berg@corp.example", employeeID: "7" } } },
  ]);
});

test("nobody gets a second one, and nobody without a name a first one", (t) => {
  t.equal(t.provision("person", { ...ada, $connectors: { Accounts: [{ $anchor: "a" }], Mail: [{ $anchor: "m" }] } }), []);
  t.equal(t.provision("person", { ...ada, sn: undefined }), []);
});
