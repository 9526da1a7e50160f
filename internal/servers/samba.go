//go:build unix

package servers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A SambaServer is a domain controller of Active Directory, with a domain of its own. It
// has an address of its own of the loopback network, as its ports are fixed.
type SambaServer struct {
	*Server
	URL       string // ldap://, which StartTLS can encrypt
	SecureURL string // ldaps://
	CA        string // file of the certificate that the server has

	Suffix   string // the name of the domain, as a distinguished name
	Domain   string // as in EXAMPLE\user
	Admin    string // the user principal name of the administrator
	Password string
}

// The domain of every SambaServer.
const (
	sambaRealm    = "AD.EXAMPLE.ORG"
	sambaDomain   = "EXAD"
	sambaPassword = "Passw0rd!x"
)

const smbConf = `[global]
	netbios name = DC1
	workgroup = @DOMAIN@
	realm = @REALM@
	server role = active directory domain controller
	server services = ldap
	ldap server require strong auth = no
	interfaces = @HOST@/8
	bind interfaces only = yes
	private dir = @FOLDER@/private
	state directory = @FOLDER@/state
	cache directory = @FOLDER@/cache
	lock directory = @FOLDER@
	pid directory = @FOLDER@/run
	ncalrpc dir = @FOLDER@/ncalrpc
	binddns dir = @FOLDER@/bind-dns
	log file = @FOLDER@/log/samba.log
	logging = file
	log level = 0
	disable netbios = yes
	tls enabled = yes
	ldb:nosync = true
`

// Samba starts a domain controller. The domain is made once for each user of the machine,
// in the folder for caches, and every server gets a copy of it. That takes root.
func Samba() (*SambaServer, error) {
	samba, err := find("samba")
	if err != nil {
		return nil, err
	}
	seed, err := sambaSeed()
	if err != nil {
		return nil, err
	}
	folder, err := folderFor("samba", nil)
	if err != nil {
		return nil, err
	}
	out := &SambaServer{
		CA:     filepath.Join(folder, "private", "tls", "ca.pem"),
		Suffix: "DC=ad,DC=example,DC=org", Domain: sambaDomain, Admin: "administrator@ad.example.org", Password: sambaPassword,
	}
	if err := prepare(folder, nil, "tar", "-xzf", seed); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	out.Server, err = launch(folder, program{
		signal: "TERM",
		place:  func() (string, int, error) { return sambaPlace(folder) },
		command: func(*Server) []string {
			return []string{samba, "-s", filepath.Join(folder, "etc", "smb.conf"), "-F", "--no-process-group", "-M", "single"}
		},
		ready: func(ctx context.Context, s *Server) error { return greets(ctx, s.Address, anonymousBind) },
	})
	if err != nil {
		return nil, err
	}
	out.URL, out.SecureURL = "ldap://"+out.Address, "ldaps://"+out.Host
	return out, nil
}

// Load makes changes, as LDIF: entries to add, or records with changetype (RFC 2849).
func (s *SambaServer) Load(ldif string) error {
	return load(s.Server, s.URL, s.Admin, s.Password, ldif)
}

// sambaPlace finds an address with free ports, and writes the configuration and the
// certificate for it.
func sambaPlace(folder string) (host string, port int, err error) {
	const port389 = 389
	for range 20 {
		ip := net.IPv4(127, byte(1+rand.IntN(250)), byte(rand.IntN(250)), byte(2+rand.IntN(250)))
		l, err := net.Listen("tcp", net.JoinHostPort(ip.String(), strconv.Itoa(port389)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", 0, err
		}
		tls := filepath.Join(folder, "private", "tls")
		conf := strings.NewReplacer("@FOLDER@", folder, "@HOST@", ip.String(), "@DOMAIN@", sambaDomain, "@REALM@", sambaRealm).Replace(smbConf)
		err = errors.Join(
			l.Close(),
			os.MkdirAll(tls, 0o700),
			certify(filepath.Join(tls, "cert.pem"), filepath.Join(tls, "key.pem"), time.Now().Add(48*time.Hour), ip),
			os.WriteFile(filepath.Join(folder, "etc", "smb.conf"), []byte(conf), 0o600),
		)
		if err == nil {
			var certificate []byte
			if certificate, err = os.ReadFile(filepath.Join(tls, "cert.pem")); err == nil {
				err = os.WriteFile(filepath.Join(tls, "ca.pem"), certificate, 0o600)
			}
		}
		return ip.String(), port389, err
	}
	return "", 0, errors.New("no address of the loopback network is free")
}

// sambaSeed returns the archive of a domain, which is made if there is none.
func sambaSeed() (string, error) {
	tool, err := find("samba-tool")
	if err != nil {
		return "", err
	}
	version, err := exec.Command(tool, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("samba-tool: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "metasync")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	seed := filepath.Join(cache, "samba-"+strings.TrimSpace(string(version))+".tar.gz")
	lock, err := os.OpenFile(seed+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close() // which unlocks it
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(seed); err == nil {
		return seed, nil
	}
	folder, err := folderFor("samba-seed", nil)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	err = prepare(folder, nil, tool, "domain", "provision", "--targetdir="+folder, "--realm="+sambaRealm, "--domain="+sambaDomain,
		"--server-role=dc", "--dns-backend=NONE", "--adminpass="+sambaPassword, "--host-name=dc1", "--host-ip=127.0.0.77")
	for _, name := range []string{"run", "ncalrpc", "cache", "log"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(folder, name), 0o755))
	}
	if err == nil {
		err = prepare(folder, nil, "tar", "-czf", seed+".new", ".")
	}
	if err != nil {
		return "", err
	}
	return seed, os.Rename(seed+".new", seed)
}
