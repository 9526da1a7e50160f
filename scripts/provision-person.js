// What becomes of a person in the connected systems, put together from its parts.
//
// When to use: with unique-account-names.js, mail-addresses.js and leavers.js. A
// metaverse type has one provisioning function: put what is yours in here, and take out
// what you do not use.
//
// It assumes what these scripts assume; the headers say what.

import { provisionAccount } from "./unique-account-names.js";
import { provisionMailbox } from "./mail-addresses.js";
import { deprovisionLeaver, hasLeft } from "./leavers.js";

metaverse("person", {
  provision(person, ctx) {
    if (hasLeft(person)) {
      deprovisionLeaver(person, ctx); // the mailbox stays
      return;
    }
    provisionAccount(person, ctx);
    provisionMailbox(person, ctx);
  },
});
