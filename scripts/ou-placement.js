// Where in a directory an entry belongs, by country and department.
//
// When to use: a directory has an organizational unit for each site, and people who do
// not fit anywhere have a place, too.
//
// It assumes an agent with LDAP names, here Directory. Use it in its rule, in which the
// name changes when the person moves:
//
//     dn: =personDN(displayName, employeeID, country, department)
//
// The containers must exist. Change the table below.

const base = "DC=corp,DC=example";

/** @type {Record<string, string>} by country and department, by country, or neither */
const places = {
  "DE IT": "OU=IT,OU=Berlin",
  DE: "OU=Staff,OU=Berlin",
  SE: "OU=Staff,OU=Stockholm",
  "": "OU=Unsorted",
};

export const placeOf = (country, department) => places[`${country} ${department}`] ?? places[country ?? ""] ?? places[""];

// The number keeps people of one name apart.
flowFunction("personDN", (name, id, country, department) => {
  if (!name || !id) return undefined;
  return dn.join(`CN=${dn.escape(`${name} (${id})`)}`, placeOf(country, department), base);
});
