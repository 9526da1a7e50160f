// Functions for the expressions in metasync.yaml: how this company makes
// account names and mail addresses out of people's names.
//
// A flow function is pure: the same arguments give the same result. An absent
// attribute arrives as undefined; returning undefined contributes nothing.

const domain = "example.com";

// Letters that do not come apart into a base letter and a mark. The JavaScript
// engine knows no \p{...} in regular expressions, so marks are named by range.
const letters = {
  "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O",
  "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i",
};

// asciiName("Łukasz Größe") is "Lukasz Grosse".
function asciiName(name) {
  return name
    .normalize("NFD")
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[^\x00-\x7f]/g, (letter) => letters[letter] ?? "");
}

// part makes a name fit for an address: small letters, with single hyphens
// where there were blanks.
function part(name) {
  return asciiName(name)
    .toLowerCase()
    .replace(/['.]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
}

// accountName("Zoë", "von der Heide", "100028") is "zvonder0028": the first
// letter, six of the family name, and four digits of the number, which set
// namesakes apart.
flowFunction("accountName", (given, family, id) => {
  if (!given || !family || !id) return undefined;
  return part(given).slice(0, 1) + part(family).replaceAll("-", "").slice(0, 6) + id.slice(-4);
});

// mailAddress("Zoë", "von der Heide", "100028") is
// "zoe.von-der-heide.0028@example.com".
flowFunction("mailAddress", (given, family, id) => {
  if (!given || !family || !id) return undefined;
  return `${part(given)}.${part(family)}.${id.slice(-4)}@${domain}`;
});
