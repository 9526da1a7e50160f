package ldif

import "github.com/metasync/metasync/engine/identity"

// standard are the attributes of people, groups and containers that every object type
// has unless the configuration says otherwise: those of RFC 4512, 4519, 4523, 4524,
// 4530, 2798 and 2307. A file of entries does not say what its attributes are.
var standard = func() []identity.AttributeType {
	var out []identity.AttributeType
	add := func(t identity.Type, multi bool, names ...string) {
		for _, name := range names {
			out = append(out, identity.AttributeType{Name: name, Type: t, Multi: multi})
		}
	}
	add(identity.TypeString, true,
		"objectClass", "businessCategory", "c", "cn", "dc", "description", "destinationIndicator", "dnQualifier",
		"facsimileTelephoneNumber", "generationQualifier", "givenName", "houseIdentifier", "initials",
		"internationalISDNNumber", "l", "name", "o", "ou", "physicalDeliveryOfficeName", "postalAddress", "postalCode",
		"postOfficeBox", "registeredAddress", "serialNumber", "sn", "st", "street", "telephoneNumber", "title", "uid",
		"x121Address", "co", "documentIdentifier", "drink", "homePhone", "homePostalAddress", "host", "info", "mail",
		"mobile", "organizationalStatus", "pager", "personalTitle", "roomNumber", "carLicense", "departmentNumber",
		"employeeType", "labeledURI", "memberUid")
	add(identity.TypeString, false,
		"displayName", "employeeNumber", "preferredLanguage", "entryUUID", "homeDirectory", "loginShell", "gecos")
	add(identity.TypeInteger, false, "uidNumber", "gidNumber")
	add(identity.TypeReference, true, "member", "uniqueMember", "owner", "roleOccupant", "seeAlso", "manager", "secretary")
	add(identity.TypeBinary, true, "jpegPhoto", "photo", "audio", "userPassword", "userCertificate", "userSMIMECertificate", "userPKCS12")
	add(identity.TypeDateTime, false, "createTimestamp", "modifyTimestamp")
	for i := range out {
		a := &out[i]
		a.ImportOnly = a.Name == "createTimestamp" || a.Name == "modifyTimestamp"
	}
	return out
}()

// transferred are the attributes that are written with the option ;binary (RFC 4523).
var transferred = map[string]bool{"userCertificate": true}
