// Tests of mail-addresses.js: write the names that are hard to put into an address.

import { addresses } from "./mail-addresses.js";

test("addresses are plain, and the second one has a number", (t) => {
  t.equal([...addresses("Anna Lena", "von Größe")].slice(0, 2), ["anna-lena.von-grosse@corp.example", "anna-lena.von-grosse2@corp.example"]);
  t.equal([...addresses("Łukasz", "O'Brien")][0], "lukasz.obrien@corp.example");
});

test("who has a mailbox keeps it", (t) => {
  const ada = { employeeID: "7", givenName: "Ada", sn: "Berg" };
  const created = (mv) => t.provision("person", mv).filter((asked) => "create" in asked && asked.create.agent === "Mail");
  t.equal(created(ada), [{ create: { agent: "Mail", object: "mailbox", attributes: { address: "ada.berg@corp.example", employeeID: "7" } } }]);
  t.equal(created({ ...ada, $connectors: { Mail: [{ $anchor: "old@corp.example" }] } }), []);
});
