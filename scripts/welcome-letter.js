// Tells a service about each account that was created, so that it sends a letter.
//
// When to use: something must happen once for everybody who gets an account: a letter, a
// card, an entry in a calendar.
//
// It assumes a workflow of the configuration:
//
//     workflows:
//       - {name: welcome, on: export-add, agent: Accounts, activity: welcome letter}
//
// and the service in scripting.allow.http, with its token as the secret letters in
// scripting.secrets. Change the address and what is sent.
//
// A letter that could not be ordered is ordered again later; its id lets the service see
// that it is the same.

const url = "https://letters.corp.example/orders";

activity("welcome letter", (ctx) => {
  const person = ctx.metaverse;
  if (!person) throw new Error(`nobody has the account ${ctx.object.$anchor}`);
  const answer = http.post(url, {
    to: person.displayName, account: ctx.object.$anchor, template: "welcome",
  }, { headers: { "Idempotency-Key": `${ctx.workflow} ${ctx.id}` }, auth: { bearer: secret("letters") } });
  if (!answer.ok) throw new Error(`the letter service said ${answer.status}: ${answer.text().slice(0, 200)}`);
  ctx.log.info("welcome letter ordered", { account: ctx.object.$anchor, try: ctx.try });
});
