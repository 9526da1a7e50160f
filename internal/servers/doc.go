// Package servers starts real servers for tests: PostgreSQL, MariaDB, OpenLDAP,
// 389 Directory Server and Samba as a domain controller, each on a free port or an address
// of its own of this machine with data in a temporary folder; and toxiproxy, which stands
// before one of them and disturbs its connections.
//
//	func TestQuery(t *testing.T) {
//		db := servers.For(t, servers.Postgres)
//		connect(db.DSN)
//	}
//
// [For] stops the server at the end of the test. Where starting one for each test
// takes too long, TestMain starts it for all of them:
//
//	directory, err := servers.OpenLDAP()
//	...
//	code := m.Run()
//	directory.Stop()
//	os.Exit(code)
//
// A server that is not installed is an error, never a test that is left out: tests that
// need one carry a build tag of its name, postgres, mariadb, slapd, ds389, samba or toxiproxy,
// which `make test` sets for those that are there. It installs them where it may.
//
// Servers end with the process that started them, also if that is killed.
package servers
