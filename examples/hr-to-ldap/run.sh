#!/bin/sh
# The story of README.md, from the first look at the directory to a change that somebody
# made there by hand. It needs metasync on the path, and slapd with ldap-utils
# (apt-get install slapd ldap-utils). Everything happens in a temporary folder.
set -eu

PATH="$PATH:/usr/sbin:/usr/local/libexec"
example=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
slapd=
trap 'status=$?; [ -z "$slapd" ] || kill "$slapd" 2>/dev/null || true; rm -rf "$folder"; exit $status' EXIT
trap 'exit 1' INT TERM

say() { printf '\n--- %s\n' "$*"; }
search() { ldapsearch -x -LLL -o ldif-wrap=no -H "$LDAP_URL" -b dc=example,dc=org "$@"; }

cp -R "$example/." "$folder"
cd "$folder"
mkdir db
umask 077
od -An -N16 -tx1 /dev/urandom | tr -d ' \n' > password
sed -e "s|@FOLDER@|$folder|" -e "s|@PASSWORD@|$(cat password)|" slapd.conf > server.conf
slapadd -q -f server.conf -b dc=example,dc=org -l data/base.ldif 2>/dev/null

# A port that nobody has: slapd ends if somebody does.
port=$((20000 + $$ % 20000))
for try in 1 2 3 4 5 6 7 8 9 10; do
	LDAP_URL="ldap://127.0.0.1:$port"
	slapd -f server.conf -h "$LDAP_URL" -d 0 >slapd.log 2>&1 &
	slapd=$!
	for wait in $(seq 100); do
		sleep 0.05
		kill -0 "$slapd" 2>/dev/null || break
		if ldapwhoami -x -H "$LDAP_URL" -D cn=admin,dc=example,dc=org -y password >/dev/null 2>&1; then
			break 2
		fi
	done
	slapd=
	port=$((port + 1))
done
[ -n "$slapd" ] || { echo "slapd does not start:"; cat slapd.log; exit 1; } >&2
export LDAP_URL

say "What is that server, and what is in it?"
metasync discover Directory -c first.yaml

say "A draft of the configuration, which only reads"
metasync discover HR -c first.yaml --draft

say "The whole configuration, for the first time"
metasync validate
metasync once
search '(employeeNumber=*)' employeeNumber mail manager
search '(objectClass=groupOfNames)' member

say "Grace Murray marries, Alan Turing leaves, Joan Clarke joins Engineering"
sed -i -e 's/Grace,Murray/Grace,Hopper/' -e '/^employee,1003,/s/active/left/' -e '/^team,T2,/s/1002$/1002|1004/' data/hr.csv
metasync once
search '(employeeNumber=*)' employeeNumber mail manager
search '(objectClass=groupOfNames)' member

say "Somebody gives Joan another title in the directory; a delta import by syncrepl sees it"
ldapmodify -x -H "$LDAP_URL" -D cn=admin,dc=example,dc=org -y password >/dev/null <<END
dn: uid=jclarke,ou=people,dc=example,dc=org
changetype: modify
replace: title
title: Queen
END
metasync exec Directory delta-import
say "and metasync puts it right"
metasync once
search '(uid=jclarke)' title

say "Nothing is left to do"
metasync once
