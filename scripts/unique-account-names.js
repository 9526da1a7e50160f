// Account names that nobody else has.
//
// When to use: a system takes a name as the key of its accounts, people have names in
// common, and whoever comes first keeps the short one: aberg, aberg2, aberg3.
//
// It assumes metaverse objects with givenName, sn and employeeID, and an agent, here
// Accounts, whose objects (account) have accountName as their anchor and employeeID
// beside it. provision-person.js calls provisionAccount. Have the name flow back in a
// rule of the agent, so that other systems get it, and let the same rule join accounts
// by employeeID, and flow all but the name:
//
//     join: [{employeeID: employeeID}]
//     inbound: {flows: {accountName: accountName}}
//     outbound: {flows: {employeeID: employeeID, fullName: displayName}}
//
// A name is taken if the system has an account of that name, whoever's it is, as far as
// it was imported. An account keeps its name. Where people have accounts already, begin
// with `provisioning: none` in the configuration, until everything was imported and
// synchronized once and their accounts are joined; otherwise they get new ones.

import { lettersOf } from "./account-names.js";

const most = 99; // people of one name

// candidates yields the names that a person may have, the nicest first.
/** @param {string} given @param {string} family */
export function* candidates(given, family) {
  const base = lettersOf(given).slice(0, 1) + lettersOf(family).slice(0, 12);
  yield base;
  for (let n = 2; n <= most; n++) yield base + n;
}

// firstFree returns the first name that no object of an agent has.
/** @param {ProvisionContext} ctx @param {AgentName} agent @param {Iterable<string>} names */
export function firstFree(ctx, agent, names) {
  for (const name of names) {
    if (!ctx.taken(agent, name)) return name;
  }
  throw new UnexpectedData("all names are taken");
}

/** @param {MetaverseEntry<"person">} person @param {ProvisionContext} ctx */
export function provisionAccount(person, ctx) {
  const { employeeID, givenName, sn } = person;
  if (!employeeID || !givenName || !sn || person.$connectors("Accounts").length > 0) return;
  const accountName = firstFree(ctx, "Accounts", candidates(givenName, sn));
  ctx.create("Accounts", "account", { accountName, employeeID });
}
