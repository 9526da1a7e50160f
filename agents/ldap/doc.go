// Package ldap is the management agent for directory servers: OpenLDAP, 389
// Directory Server, and others that speak LDAP version 3.
//
// Objects are known by what the server gives each entry for good, entryUUID or
// nsUniqueId, so they stay the same when they are renamed or moved. The schema is the
// server's: the attributes of the structural class of an object type, of its auxiliary
// classes, and those that the configuration names besides.
//
// A full import is one search with paging. Whatever cuts it short, as a limit of the
// server, is an error, so that nothing is taken for deleted. A delta import asks what
// changed (see tracker) for the anchors of the entries alone, and then reads these as
// they are now: one that is not found any more has been deleted, or has left the
// filter, and a full import would not show it either.
//
// An export never trusts a name alone: it changes, renames and deletes an entry only if
// that has the anchor of the object, and looks for the anchor if the name leads
// nowhere. Several connections carry out what does not depend on each other.
package ldap
