// Package modules is what scripts can call beside the language itself: rows of the
// table of the host, with what they do.
//
// Every function of a script may use what depends on its arguments alone:
//
//	text     compare, ascii, letters, normalize, pad, title    text.go
//	date     parse, format, add, days; and now()               date.go
//	dn       parse, escape, rdn, parent, join                  dn.go
//	hash     sha256, sha1, md5, hmac                           hash.go
//	lookup   a value of a table that was loaded with them      lookup.go
//
// Only what may reach out, such as the check of a trigger or an agent, may use the rest, and of
// that only what was granted:
//
//	http     get, post, request                                http.go, request.go, response.go
//	sql      query, one, exec                                  sql.go, sqlvalue.go, database.go
//	ldap     search, read, changes; and escapeFilter           ldap.go, ldapchanges.go
//	files    read, bytes, list, stat, exists, write            files.go
//	secret   a handle that http can open                       secret.go
//
// What is granted is the [Env] of a generation. Nothing is, by default. Databases and
// directories are granted by declaring them; their connections belong to the generation
// (connections.go).
package modules
