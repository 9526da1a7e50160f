import { upper, nameOf } from "./lib";
const { address } = require("./common");

const domain = "example.com";

flow("HR.employee", "department", employee => employee.dept);
flow("HR.employee", "department", employee => employee.departmnt); // wrong
flow("HR.employe", "department", () => "x"); // wrong
flow("persn", "department", () => "x"); // wrong
flow("HR.employee", "name", employee => employee.name.trim()); // wrong
flow("HR.employee", "name", employee => employee.name && upper(employee.name));
flow("HR.employee", "phones", ({ phones, codes = [] }) => [...(phones ?? []), ...codes.map(String)]);
flow("HR.employee", "phones", employee => employee.phones?.toUpperCase()); // wrong
flow("HR.employee", "age", employee => typeof employee.age === "number" ? employee.age + 1 : employee.age);
flow("HR.employee", "active", employee => employee.active?.toFixed()); // wrong
flow("HR.employee", "born", employee => employee.born?.toISOString());
flow("HR.employee", "photo", employee => employee.photo && employee.photo.length > 10 ? employee.photo : null);
flow("HR.employee", "boss", employee => employee.boss?.slice(1));
flow("HR.employee", "object", employee => ({ text: employee.name })); // wrong
flow("HR.employee", "async", async employee => employee.name);
flow("HR.employee", "dn", employee => employee.$dn + employee.$anchor + employee.$id + employee.$object);
flow("HR.employee", "write", employee => { employee.name = "x"; }); // wrong
flow("HR.employee", "target", (employee, ctx) => {
  const target = ctx.target();
  if (target?.$type === "person") return target.$contributor("name") === "HR" ? target.name : undefined;
  ctx.log.info("no person", { target });
  throw new DeclineMapping();
});
flow("person", "mail", person => person.name && address(person.name) + domain);
flow("person", "name", nameOf);
flow("person", "mail", person => person.$connectors("AD")[0]?.mail);
flow("person", "mail", person => person.$connectors("ADD")[0]); // wrong
flow("person", "mail", person => person.$connectors("AD")[0]?.mial); // wrong
flow("person", "mail", person => person.$contributor("nam")); // wrong
flow("person", "mail", person => person.$contributed("name"));
flow("team-x", "mail", team => team["cost center"]);
flow("team-x", "mail", team => team.cost); // wrong

extension("AD", {
  filter: cs => cs.mail === undefined && cs.$object === "user",
  joinValues: (cs, name) => [cs.account ?? name],
  resolveJoin(cs, candidates, rule, ctx) {
    ctx.log.debug(rule);
    return candidates.find(person => person.$type === "person" && person.name === cs.account) ?? { join: 0, type: "person" };
  },
  project: cs => cs.$object === "group" && cs.members?.length ? "team-x" : null,
  deprovision: cs => "disconnect",
});
extension("ADD", { filter: () => false }); // wrong
extension("HR", {
  project: cs => "persn", // wrong
  filter: cs => cs.members === undefined, // wrong
  deprovision: () => "remove", // wrong
});
extension("HR", {
  filtre: () => true, // wrong
});
metaverse("person", {
  provision(person, ctx) {
    ctx.create("AD", "user", { dn: "1", account: person.name, mail: "x" });
    ctx.create("AD", "usr", {}); // wrong
    ctx.create("AD", "user", { acount: person.name }); // wrong
    for (const account of person.$connectors("AD")) {
      ctx.rename(account, account.$dn + "x");
      if (account.$object === "group") ctx.disconnect(account);
    }
    ctx.disconnect(person); // wrong
  },
  shouldDelete: (cs, person) => cs.$agent === "HR" && person.name !== "keeper",
});
metaverse("persn", { shouldDelete: () => false }); // wrong
