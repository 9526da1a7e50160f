// Package ldap is the management agent for directory servers that keep to the standards
// of LDAP version 3: OpenLDAP, 389 Directory Server, and others.
//
// Objects are known by what the server gives each entry for good, entryUUID or
// nsUniqueId, so they stay the same when they are renamed or moved. The schema is the
// server's: the attributes of the structural class of an object type, of its auxiliary
// classes, and those that the configuration names besides.
//
// How directories are read and written is in package directory; here are the settings,
// and where these servers tell what changed: by content synchronization, in a log, or in
// the times of entries.
package ldap
