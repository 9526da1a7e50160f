#!/bin/sh
# The story of README.md, with a domain of Active Directory of its own: Samba, which is
# made and started in a temporary folder. It takes root, metasync on the path, and
#   apt-get install samba samba-ad-dc samba-ad-provision samba-dsdb-modules \
#     samba-vfs-modules winbind krb5-user ldb-tools ldap-utils openssl
set -eu

PATH="$PATH:/usr/sbin"
example=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
samba=
trap 'status=$?; [ -z "$samba" ] || { kill "$samba" && wait "$samba"; } 2>/dev/null || true; rm -rf "$folder"; exit $status' EXIT
trap 'exit 1' INT TERM
[ "$(id -u)" = 0 ] || { echo "a domain controller takes root" >&2; exit 1; }

say() { printf '\n--- %s\n' "$*"; }
as_admin() { command=$1; shift; "$command" -x -H "ldap://$address" -D administrator@corp.example -y password "$@"; }
search() { as_admin ldapsearch -LLL -o ldif-wrap=no -b DC=corp,DC=example "$@" | sed '/^# refldap:/,/^$/d'; }

cp -R "$example/." "$folder"
cd "$folder"
umask 077
printf 'Aa1!%s' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" > password
# The ports of a domain controller are fixed, so it gets an address of its own.
address=127.$(($$ % 250 + 1)).$(($$ / 250 % 250)).$(($(date +%s) % 250 + 2))

say "A new domain corp.example"
samba-tool domain provision --targetdir="$folder/dc" --realm=CORP.EXAMPLE --domain=CORP --server-role=dc \
	--dns-backend=NONE --adminpass="$(cat password)" --host-name=dc1 --host-ip="$address" >provision.log 2>&1 ||
	{ cat provision.log; exit 1; } >&2
mkdir -p dc/run dc/ncalrpc dc/cache dc/log dc/private/tls
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=dc1.corp.example \
	-addext "subjectAltName=IP:$address" -keyout dc/private/tls/key.pem -out ca.pem 2>/dev/null
cp ca.pem dc/private/tls/cert.pem
cp ca.pem dc/private/tls/ca.pem
cat > dc/etc/smb.conf <<END
[global]
	netbios name = DC1
	workgroup = CORP
	realm = CORP.EXAMPLE
	server role = active directory domain controller
	server services = ldap
	ldap server require strong auth = no
	interfaces = $address/8
	bind interfaces only = yes
	private dir = $folder/dc/private
	state directory = $folder/dc/state
	cache directory = $folder/dc/cache
	lock directory = $folder/dc
	pid directory = $folder/dc/run
	ncalrpc dir = $folder/dc/ncalrpc
	binddns dir = $folder/dc/bind-dns
	log file = $folder/dc/log/samba.log
	logging = file
	disable netbios = yes
	tls enabled = yes
END
samba -s dc/etc/smb.conf -F --no-process-group -M single </dev/null >samba.log 2>&1 &
samba=$!
for wait in $(seq 200); do
	sleep 0.1
	kill -0 "$samba" 2>/dev/null || { cat samba.log dc/log/*; exit 1; } >&2
	if as_admin ldapwhoami >/dev/null 2>&1 || as_admin ldapsearch -s base -b "" 1.1 >/dev/null 2>&1; then
		break
	fi
done
as_admin ldapadd -f data/base.ldif >/dev/null
export AD_URL="ldaps://$address"

say "Accounts with passwords, and groups with members"
metasync validate
metasync once
search '(employeeID=*)' employeeID sAMAccountName userAccountControl manager
search -s one -b OU=Groups,DC=corp,DC=example member

say "Grace Murray marries, Alan Turing leaves, Joan Clarke joins Engineering"
sed -i -e 's/Grace,Murray/Grace,Hopper/' -e '/^employee,1003,/s/active/left/' -e '/^team,T2,/s/1002$/1002|1004/' data/hr.csv
metasync once
search '(employeeID=*)' employeeID sAMAccountName userAccountControl
search -s one -b OU=Groups,DC=corp,DC=example member

say "Somebody deletes the account of Joan and gives Ada another title; a delta import by DirSync sees it"
as_admin ldapdelete "CN=Joan Clarke,OU=People,DC=corp,DC=example"
as_admin ldapmodify >/dev/null <<END
dn: CN=Ada Lovelace,OU=People,DC=corp,DC=example
changetype: modify
replace: title
title: Countess
END
metasync exec AD delta-import
say "and metasync puts it right"
metasync once
search '(|(employeeID=1001)(employeeID=1004))' title sAMAccountName
search -s one -b OU=Groups,DC=corp,DC=example member

say "Nothing is left to do"
metasync once
