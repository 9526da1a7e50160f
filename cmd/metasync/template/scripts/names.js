// Functions for the expressions in metasync.yaml. A function is pure: the same
// arguments give the same result. An absent attribute arrives as undefined, and
// returning undefined gives the attribute no value.
//
// Save a change while `metasync run` is at work, and it takes effect; a mistake
// is refused with its line, and the functions before stay in force.

// accountName("Dénes", "Erdős", "1004") is "derdos1004".
flowFunction("accountName", (given, family, id) => {
  if (!given || !family || !id) return undefined;
  return ascii(given).slice(0, 1) + ascii(family).slice(0, 6) + id;
});

// ascii("Çelik") is "celik": small letters without marks, and nothing else.
function ascii(name) {
  return name.normalize("NFD").toLowerCase().replace(/[^a-z]/g, "");
}
