// Tests of unique-account-names.js: which name a person gets.

import { candidates, firstFree } from "./unique-account-names.js";

test("names are tried in their order", (t) => {
  t.equal([...candidates("Anna-Lena", "Öberg")].slice(0, 3), ["aoberg", "aoberg2", "aoberg3"]);
  const names = ["aberg", "aberg2"];
  /** @type {any} */
  const ctx = { taken: (agent, name) => agent === "Accounts" && names.includes(name) };
  t.equal(firstFree(ctx, "Accounts", candidates("Ada", "Berg")), "aberg3");
  t.equal(firstFree(ctx, "Mail", candidates("Ada", "Berg")), "aberg");
  t.throws(() => firstFree(ctx, "Accounts", names), "all names are taken");
});

test("who has an account keeps it", (t) => {
  const ada = { employeeID: "7", givenName: "Ada", sn: "Berg" };
  const created = (mv) => t.provision("person", mv).filter((asked) => "create" in asked && asked.create.agent === "Accounts");
  t.equal(created(ada), [{ create: { agent: "Accounts", object: "account", attributes: { accountName: "aberg", employeeID: "7" } } }]);
  t.equal(created({ ...ada, sn: "Bergman", $connectors: { Accounts: [{ $anchor: "aberg" }] } }), []);
});
