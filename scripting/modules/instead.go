package modules

// Instead says what to use in place of built-ins that would give wrong answers: see
// host.API.
var Instead = map[string]string{
	`\p`:                 `text.letters(s) is what remains of a text without all that is no letter; or list the characters, such as [A-Za-zÀ-ɏ]`,
	"localeCompare":      `text.compare(a, b, "sv") orders texts as a language does`,
	"toLocaleDateString": `date.format(d, "dd.MM.yyyy", "Europe/Berlin") writes a date as you say`,
	"toLocaleTimeString": `date.format(d, "HH:mm", "Europe/Berlin") writes a time as you say`,
	"toLocaleString":     `date.format(d, "dd.MM.yyyy HH:mm", "Europe/Berlin") writes a date as you say`,
	"toLocaleUpperCase":  `toUpperCase() is the same for all languages`,
	"toLocaleLowerCase":  `toLowerCase() is the same for all languages`,
}
