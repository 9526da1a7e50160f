/** The login: the first letter of the given name and the family name, in ASCII. */
flowFunction("login", (given: string, family: string) =>
  given && family ? text.ascii(given[0] + family).replace(/[^A-Za-z]/g, "").toLowerCase() : undefined);
