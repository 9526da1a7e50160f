// Package ad is the management agent for Active Directory, and for Samba as a domain
// controller.
//
// How directories are read and written is in package directory; here is what domain
// controllers do in their own way:
//
//	settings.go   the configuration
//	dialect.go    what a controller says of itself, and its schema
//	identifier.go objectGUID and SIDs as administrators write them
//	value.go      times and passwords
//	ranges.go     attributes with more values than one answer holds
//	account.go    userAccountControl and pwdLastSet as attributes that say yes or no
//	dirsync.go    delta imports by DirSync
//	usn.go        delta imports by uSNChanged, without the right for DirSync
//	metadata.go   which attributes of an entry have changed when
//	watch.go      listening to change notifications
//	explain.go    what the numbers in answers mean
//
// Objects are known by their objectGUID. An object is of a type if its class is that of
// the type and none that is derived from it: computers are no users, though the schema
// derives one from the other.
package ad
