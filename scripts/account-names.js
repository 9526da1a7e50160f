// Initials and account names out of people's names.
//
// When to use: a source has names as people write them, with accents, blanks and
// apostrophes, and a target wants plain ASCII letters.
//
// Use it in a rule:
//
//     initials:    =initials(givenName, sn)
//     accountName: =accountName(givenName, sn, employeeID)
//
// A flow function cannot look whether a name is taken: it sees nothing but its
// arguments. Make names unique with something that is unique, as accountName
// does with the number, and flow them into the target with `initial: true`, so
// that an account keeps its name when the person's changes. unique-account-names.js
// takes the first name that is free instead.

// Letters that do not come apart into a base letter and a mark. Write the
// language's own habits here, such as "ä": "ae".
const letters = {
  "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O",
  "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i",
};

// lettersOf("O'Brien") is "obrien".
export const lettersOf = (name) => ascii(name).toLowerCase().replace(/[^a-z]/g, "");

function ascii(name) {
  return name
    .normalize("NFC")
    .replace(/[^\x00-\x7f]/g, (letter) => letters[letter] ?? letter)
    .normalize("NFD")
    .replace(/[^\x00-\x7f]/g, "");
}

// initials("Hans-Jürgen", "von der Heide") is "HJVDH".
flowFunction("initials", (given, family) => {
  const words = [given, family].filter(Boolean).join(" ").split(/[\s-]+/);
  const text = words.map((word) => ascii(word).slice(0, 1).toUpperCase()).join("");
  return text === "" ? undefined : text;
});

// accountName("Łukasz", "O'Brien", "100042") is "lobrien0042".
flowFunction("accountName", (given, family, id) => {
  if (!given || !family || !id) return undefined;
  return lettersOf(given).slice(0, 1) + lettersOf(family).slice(0, 8) + String(id).slice(-4);
});
