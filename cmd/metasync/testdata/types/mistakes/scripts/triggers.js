trigger("a", { agent: "HR", every: "1m", run: "evening" });
trigger("b", { agent: "AD", every: "1m", run: "evening" }); // wrong
trigger("c", { agent: "HRR", every: "1m", run: "full-import" }); // wrong
trigger("d", { agent: "HR", evry: "1m", run: "full-import" }); // wrong
trigger("e", { agent: "HR", every: "1m", check: () => new Date().getHours() > 7 ? "delta-import" : undefined });
trigger("f", { agent: "HR", every: "1m", check: () => "delta-imports" }); // wrong
trigger("g", { every: "1m", check: () => [{ agent: "AD", run: "full-import" }, { agent: "HR", run: "evening" }] });
trigger("h", { every: "1m", check: () => [{ agent: "AD", run: "evening" }] }); // wrong
trigger("i", { agent: "HR", cron: "@daily", timezone: "Europe/Berlin", async check(ctx) {
  const seen = ctx.state.get("seen");
  ctx.state.set("seen", [ctx.trigger, ctx.agent, seen]);
  try { log.info("checked"); } catch (e) { console.error(e.message); }
  return { run: "full-import" };
} });
trigger("j", { agent: "HR", every: "1m", check: ctx => fetch("x") }); // wrong

flowFunction("initials", (given, family) => given[0] + family[0]);
flowFunction("promise", async given => given);
flowFunction(initials, given => given); // wrong
function helper(text) { return text; }
flowFunction("several", text => [helper(text), 1, 2n, true, new Date(), new Uint8Array(2)]);
