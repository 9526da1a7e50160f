// Mail addresses out of people's names, with a number where somebody has the address.
//
// When to use: a mail system keeps one mailbox for each person, and addresses are
// given.family@ the domain. People keep their address when their name changes.
//
// It assumes metaverse objects with givenName, sn and employeeID, and an agent, here
// Mail, whose objects (mailbox) have address as their anchor and employeeID beside it.
// provision-person.js calls provisionMailbox. Have the address flow back in a rule of the
// agent that joins by employeeID:
//
//     join: [{employeeID: employeeID}]
//     inbound: {flows: {mail: address}}
//
// Mailboxes without a number, such as info@, keep their addresses: nobody gets them.
// Where people have mailboxes already, begin as unique-account-names.js says.

import { firstFree } from "./unique-account-names.js";

const domain = "corp.example";

// part is a name as it stands in an address: "Anna Lena" is "anna-lena".
/** @param {string} name */
const part = (name) => text.ascii(name).toLowerCase().trim().replace(/[\s_-]+/g, "-").replace(/[^a-z0-9-]/g, "");

// addresses yields the addresses that a person may have, the nicest first.
/** @param {string} given @param {string} family */
export function* addresses(given, family) {
  const name = `${part(given)}.${part(family)}`;
  yield `${name}@${domain}`;
  for (let n = 2; n <= 99; n++) yield `${name}${n}@${domain}`;
}

/** @param {MetaverseEntry<"person">} person @param {ProvisionContext} ctx */
export function provisionMailbox(person, ctx) {
  const { employeeID, givenName, sn } = person;
  if (!employeeID || !givenName || !sn || person.$connectors("Mail").length > 0) return;
  const address = firstFree(ctx, "Mail", addresses(givenName, sn));
  ctx.create("Mail", "mailbox", { address, employeeID });
}
