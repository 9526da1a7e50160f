package ad

import (
	"errors"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
)

// refusals are what the number behind "data" in the answer to a bind means.
var refusals = map[string]string{
	"525": "there is no such account: bindDN is wrong",
	"52e": "the password of bindDN is wrong",
	"530": "bindDN may not log on at this time",
	"531": "bindDN may not log on from this machine",
	"532": "the password of bindDN has expired",
	"533": "the account of bindDN is disabled",
	"701": "the account of bindDN has expired",
	"773": "bindDN must change the password at the first logon; let the password of the account not expire",
	"775": "the account of bindDN is locked out",
}

// answers are what the number at the beginning of other answers means, where their code
// says less (MS-ERREF §2.2).
var answers = map[string]struct{ name, hint string }{
	"0000052D": {"password-policy-violation", "the password policy of the domain demands a longer or other password, or one that was not used before"},
	"0000001F": {"encryption-not-enabled", "use ldaps:// or startTLS"},
	"00000525": {"dn-attributes-failure", "an object that is referred to is not in the directory"},
	"000020B5": {"dn-attributes-failure", "an object that is referred to is not in the directory"},
	"00002071": {"cd-existing-object", "another object has the name, the sAMAccountName or the userPrincipalName"},
	"000021C8": {"cd-existing-object", "another object has the userPrincipalName"},
	"000021C7": {"cd-existing-object", "another object has the servicePrincipalName"},
	"00000529": {"invalid-attribute-value", ""},
	"00000524": {"cd-existing-object", "another account has the sAMAccountName"},
	"00002098": {"permission-issue", "give bindDN the right to do this in the directory"},
	"00000005": {"permission-issue", "give bindDN the right to do this in the directory"},
}

var (
	dataCode   = regexp.MustCompile(`, data ([0-9a-fA-F]+)`)
	answerCode = regexp.MustCompile(`^([0-9A-Fa-f]{8}): `)
)

// Interpret implements [directory.Interpreter].
func (t *dialect) Interpret(err error, connecting bool) (name, hint string) {
	var answer *ldap.Error
	if !errors.As(err, &answer) || answer.Err == nil {
		return "", ""
	}
	text := answer.Err.Error()
	if connecting {
		if found := dataCode.FindStringSubmatch(text); found != nil && directory.IsCode(err, ldap.LDAPResultInvalidCredentials) {
			return "", refusals[strings.ToLower(found[1])]
		}
		return "", ""
	}
	if found := answerCode.FindStringSubmatch(text); found != nil {
		known := answers[strings.ToUpper(found[1])]
		return known.name, known.hint
	}
	return "", ""
}
