package scripting

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/hostlist"
	"github.com/metasync/metasync/scripting/modules"
)

func TestPureHelpers(t *testing.T) {
	tests := []struct{ expression, want string }{
		{`["ä", "z", "a"].sort((a, b) => text.compare(a, b, "sv")).join()`, "a,z,ä"},
		{`["ä", "z", "a"].sort((a, b) => text.compare(a, b, "de")).join()`, "a,ä,z"},
		{`["ä", "z", "B", "a"].sort(text.compare).join()`, "a,ä,B,z"},
		{`text.compare("x", "x")`, "0"},
		{`text.ascii("Zoë Ægir Łukasz Straße Þór Đoković – Müller")`, "Zoe Aegir Lukasz Strasse Thor Dokovic - Muller"},
		{`text.ascii("Иван1")`, "1"},
		{`text.ascii("Иван1", "?")`, "????1"},
		{`text.letters("O'Neill-Ñandú 3. Иван_")`, "ONeillÑandúИван"},
		{`text.normalize("  Ada \t\n Love\u0301lace ")`, "Ada Lov\u00e9lace"},
		{`text.pad(7, 3, "0")`, "007"},
		{`text.pad("é", 3, "ü", "end")`, "éüü"},
		{`text.pad("long", 2)`, "long"},
		{`text.title("ada VAN o'neill-smith")`, "Ada VAN O'neill-Smith"},

		{`date.parse("2026-11-22").toISOString()`, "2026-11-22T00:00:00.000Z"},
		{`date.parse("22.11.2026 08:00", "dd.MM.yyyy HH:mm", "Europe/Berlin").toISOString()`, "2026-11-22T07:00:00.000Z"},
		{`date.format(new Date("2026-07-22T22:30:00Z"), "dd.MM.yyyy HH:mm zzz", "Europe/Berlin")`, "23.07.2026 00:30 +02:00"},
		{`date.format(new Date("2026-07-22T22:30:00Z"), "yyyyMMdd")`, "20260722"},
		{`date.add(new Date("2026-01-31T10:00:00Z"), 1, "months").toISOString()`, "2026-02-28T10:00:00.000Z"},
		{`date.add(new Date("2024-02-29T00:00:00Z"), -1, "year").toISOString()`, "2023-02-28T00:00:00.000Z"},
		{`date.add(new Date("2026-03-28T11:00:00Z"), 1, "day", "Europe/Berlin").toISOString()`, "2026-03-29T10:00:00.000Z"},
		{`date.add(new Date("2026-03-28T11:00:00Z"), 24, "hours", "Europe/Berlin").toISOString()`, "2026-03-29T11:00:00.000Z"},
		{`date.days(new Date("2026-11-21T23:30:00Z"), new Date("2026-11-22T00:30:00Z"))`, "1"},
		{`date.days(new Date("2026-11-21T23:30:00Z"), new Date("2026-11-22T00:30:00Z"), "Europe/Berlin")`, "0"},
		{`date.days(new Date("2026-11-22"), new Date("1969-12-31"))`, "-20780"},

		{`dn.parse("CN=Love\\, Ada,OU=People").map(c => c.type + "|" + c.value + "|" + c.rdn).join(";")`, `CN|Love, Ada|CN=Love\, Ada;OU|People|OU=People`},
		{`"CN=" + dn.escape("Love, Ada #1 ")`, `CN=Love\, Ada #1\ `},
		{`dn.rdn("CN=Love\\, Ada,OU=People,DC=x")`, `CN=Love\, Ada`},
		{`dn.parent("CN=Love\\, Ada,OU=People,DC=x")`, "OU=People,DC=x"},
		{`dn.parent("DC=x")`, ""},
		{`dn.join("CN=a", "", "OU=b,DC=c")`, "CN=a,OU=b,DC=c"},

		{`hash.sha256("abc")`, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{`hash.sha1("abc")`, "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{`hash.md5(new Uint8Array([97, 98, 99]), "base64")`, "kAFQmDzST7DWlj99KOF/cg=="},
		{`hash.hmac("Jefe", "what do ya want for nothing?")`, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{`hash.hmac("Jefe", "what do ya want for nothing?", "md5")`, "750c783e6ab0b503eaa86e310a5db738"},
		{`now() instanceof Date && now().getTime() === Date.now()`, "true"},
	}
	for _, test := range tests {
		g := script(t, `flowFunction("f", () => String(`+test.expression+`))`)
		f := g.Functions()["f"]
		got, err := f.Call(&expr.Context{Context: t.Context(), Now: time.Unix(1_800_000_000, 0)}, nil)
		if single, _ := got.Single(); err != nil || single.Str() != test.want {
			t.Errorf("%s: %q, want %q (%v)", test.expression, single.Str(), test.want, err)
		}
	}
}

func TestPureHelpersRefuse(t *testing.T) {
	tests := []struct{ expression, want string }{
		{`text.compare("a", "b", "no such locale")`, `knows no locale "no such locale"`},
		{`text.compare("a")`, "text.compare needs another text"},
		{`text.ascii({})`, "takes a text, which is a text"},
		{`text.pad("a", 9e9)`, "longer than 1 MiB"},
		{`text.pad("a", 3, "ab")`, "fills with one character"},
		{`text.pad("a", 1.5)`, "whole number"},
		{`date.parse("soon")`, `datetime-string-format-incorrect: "soon" is not a date`},
		{`date.parse("31.02.2026", "dd.MM.yyyy")`, "is not a datetime of the format"},
		{`date.parse("2026-01-01", "", "UTC")`, "only with a format"},
		{`date.format("2026-01-01", "yyyy")`, "date.parse makes a Date"},
		{`date.format(new Date(NaN), "yyyy")`, "not an invalid one"},
		{`date.format(new Date(), "yyyy", "Mars/Base")`, `knows no time zone "Mars/Base"`},
		{`date.add(new Date(), 1, "fortnight")`, `not "fortnight"`},
		{`date.add(new Date(), 1e9, "years")`, "between the years"},
		{`date.add(new Date(), Number.MAX_SAFE_INTEGER, "seconds")`, "between the years"},
		{`dn.parse("Ada")`, "takes a name"},
		{`hash.sha256("a", "hax")`, `one of hex, base64, not "hax"`},
		{`hash.sha256()`, "needs data"},
		{`hash.sha256("a", "hex", 1)`, "at most 2 arguments"},
	}
	for _, test := range tests {
		g := script(t, `flowFunction("f", () => String(`+test.expression+`))`)
		_, err := call(t, g, "f")
		if err == nil {
			t.Errorf("%s: no error", test.expression)
			continue
		}
		if text := err.Error() + fault.As(err, "").Hint; !strings.Contains(text, test.want) {
			t.Errorf("%s: %v, want %q", test.expression, text, test.want)
		}
	}
}

// What reaches out is for triggers alone, and not for what they load either.
func TestRulesReachNothing(t *testing.T) {
	for _, use := range []string{
		`http.get("http://127.0.0.1/")`, `http.post("http://127.0.0.1/", "x")`, `http.request("PUT", "http://127.0.0.1/")`,
		`files.read("data/a")`, `files.bytes("data/a")`, `files.list("data")`, `files.stat("data")`, `files.exists("data")`, `files.write("data/a", "x")`,
		`secret("s")`, `hash.hmac(s, "x")`,
		`sql.query("d", "select 1 as a")`, `sql.one("d", "select 1 as a")`, `sql.exec("d", "delete from t")`,
		`ldap.search("d", {base: ""})`, `ldap.read("d", "")`, `ldap.changes("d", {base: ""})`,
	} {
		l, base := folder(t, "a.js", `const s = secret("s"); flowFunction("f", () => String(`+use+`))`)
		l.options.Env = modules.Env{Read: []string{base}, Write: []string{base}, Secrets: map[string]string{"s": "x"}}
		_, err := call(t, load(t, l), "f")
		if err == nil || !strings.Contains(err.Error(), `script-not-allowed`) || !strings.Contains(err.Error(), `cannot be used in flowFunction "f"`) {
			t.Errorf("%s: %v", use, err)
		}
		if use == `secret("s")` || use == `hash.hmac(s, "x")` {
			continue
		}
		l, base = folder(t, "a.js", use)
		l.options.Env = modules.Env{Read: []string{base}, Write: []string{base}}
		_, err = l.Load(t.Context())
		wantError(t, err, "cannot be used while the scripts are loaded")
	}
}

// checking runs the body of a check, and returns what it returned.
func checking(t *testing.T, l *Loader, body string) (string, error) {
	t.Helper()
	write(t, filepath.Join(l.options.Folder, "a.js"), `trigger("T", {agent: "HR", every: "1s", timeout: "30s", check(ctx) {`+"\n  "+body+"\n}})")
	got, err := load(t, l).Triggers()[0].Check(t.Context(), autosync.Occasion{State: memory{}})
	if len(got) == 0 {
		return "", err
	}
	return got[0].Profile, err
}

func grant(t *testing.T, l *Loader, hosts ...string) {
	t.Helper()
	list, err := hostlist.ParseAll(hosts)
	if err != nil {
		t.Fatal(err)
	}
	l.options.Env.HTTP = list
}

func server(t *testing.T, handler http.HandlerFunc) (address, port string) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return s.URL, u.Port()
}

func TestHTTP(t *testing.T) {
	address, port := server(t, func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		switch r.URL.Path {
		case "/echo":
			fmt.Fprintf(w, "%s %s %s %s %s %s", r.Method, r.URL.RawQuery, r.Header.Get("Authorization"), r.Header.Get("X-Key"), r.Header.Get("Content-Type"), &body)
		case "/json":
			w.Header().Set("X-Answer", "42")
			fmt.Fprint(w, `{"changes": 3}`)
		case "/missing":
			http.Error(w, "nothing here", http.StatusNotFound)
		case "/latin":
			w.Header().Set("Content-Type", "text/plain; charset=ISO-8859-1")
			_, _ = w.Write([]byte{'Z', 0xfc})
		case "/binary":
			_, _ = w.Write([]byte{0xff, 0})
		case "/long":
			_, _ = w.Write(make([]byte, 2<<20))
		case "/slow":
			select {
			case <-r.Context().Done():
			case <-time.After(20 * time.Second):
			}
		}
	})
	tests := []struct{ body, want, wantErr string }{
		{body: `return String(http.get(URL + "/json").json().changes)`, want: "3"},
		{body: `const r = http.get(URL + "/json"); return [r.status, r.ok, r.headers["x-answer"], r.url === URL + "/json", Object.keys(r)].join()`, want: "200,true,42,true,bytes,headers,json,ok,status,text,url"},
		{body: `const r = http.get(URL + "/missing"); return r.status + " " + r.ok + " " + r.text().trim()`, want: "404 false nothing here"},
		{body: `return http.get(URL + "/latin").text()`, want: "Zü"},
		{body: `return String(http.get(URL + "/binary").bytes()[0])`, want: "255"},
		{body: `return http.get(URL + "/binary").text()`, wantErr: "not encoded as UTF-8"},
		{body: `return http.get(URL + "/missing").json()`, wantErr: "the answer of status 404 is not JSON"},
		{body: `return http.post(URL + "/echo?a=1", {n: [1]}, {query: {b: "x y"}, auth: {bearer: secret("key")}})` + `.text()`, want: `POST a=1&b=x+y Bearer s3same  application/json {"n":[1]}`},
		{body: `return http.get(URL + "/echo", {auth: {user: "ada", password: secret("key")}, headers: {"X-Key": secret("key")}}).text()`, want: "GET  Basic YWRhOnMzc2FtZQ== s3same  "},
		{body: `return http.request("put", URL + "/echo", {body: "x", headers: {"Content-Type": "text/csv"}}).text()`, want: "PUT    text/csv x"},
		{body: `return String(http.get(URL + "/long", {limit: 3000000}).bytes().length)`, want: "2097152"},
		{body: `http.get(URL + "/long")`, wantErr: "longer than 1048576 bytes"},
		{body: `http.get(URL + "/slow", {timeout: "50ms"})`, wantErr: "/slow: no answer within 50ms"},
		{body: `http.get(URL, {tiemout: "1s"})`, wantErr: `there is no option "tiemout"`},
		{body: `http.get(URL, {body: "x"})`, wantErr: `there is no option "body"`},
		{body: `http.get(URL, {headers: {Authorization: "Bearer " + secret("key")}})`, wantErr: "holds a secret in a text"},
		{body: "http.get(`${URL}?key=${secret('key')}`)", wantErr: "cannot be part of a URL"},
		{body: `http.post(URL, {key: secret("key")})`, wantErr: "cannot be kept as JSON"},
		{body: "http.post(URL, `${secret('key')}`)", wantErr: "cannot be part of a body"},
		{body: `http.get(URL, {headers: {Host: "other"}})`, wantErr: "not the script's to set"},
		{body: `http.get(URL, {headers: {"X-A": "a\r\nX-B: b"}})`, wantErr: "cannot be sent"},
		{body: `http.get(URL.replace("//", "//ada:pw@"))`, wantErr: "no user in the URL"},
		{body: `http.get("file:///etc/passwd")`, wantErr: "not a URL"},
		{body: `http.get("gopher://127.0.0.1/")`, wantErr: "cannot be asked"},
		{body: `http.get("https://127.0.0.1:` + port + `/", {timeout: "2s"})`, wantErr: "server gave HTTP response to HTTPS client"},
	}
	for _, test := range tests {
		l, _ := folder(t)
		grant(t, l, "127.0.0.1:"+port)
		l.options.Env.Secrets = map[string]string{"key": "s3same"}
		got, err := checking(t, l, `const URL = "`+address+`"; `+test.body)
		if test.wantErr != "" {
			wantError(t, err, test.wantErr)
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%s: %q, want %q (%v)", test.body, got, test.want, err)
		}
	}
}

// A host must be granted by name, and where the name leads if that is not public.
func TestHTTPGrants(t *testing.T) {
	asked := 0
	address, port := server(t, func(http.ResponseWriter, *http.Request) { asked++ })
	tests := []struct {
		hosts         []string
		url           string
		wantErr, hint string
	}{
		{nil, address, "is not granted", `add "127.0.0.1:` + port + `" to scripting.allow.http`},
		{[]string{"127.0.0.1"}, address, "is not granted", "add"}, // the usual port alone
		{[]string{"127.0.0.1:1"}, address, "is not granted", "add"},
		{[]string{"api.example.org"}, "https://api.example.org.evil.test/", "is not granted", `add "api.example.org.evil.test"`},
		// A name that leads to this machine, as that of a DNS record would which its holder changed.
		{[]string{"localhost:" + port}, "http://localhost:" + port, "which is not a public address", `add "`},
		{[]string{"localhost:" + port, "10.0.0.0/8"}, "http://localhost:" + port, "which is not a public address", `add "`},
		{[]string{"127.0.0.0/8:" + port}, "", "", ""},
		{[]string{"localhost:" + port, "127.0.0.0/8", "::1"}, "http://localhost:" + port, "", ""},
		{[]string{"127.0.0.1:" + port}, address, "", ""},
	}
	granted := 0
	for _, test := range tests {
		if test.url == "" {
			if _, err := hostlist.ParseAll(test.hosts); err == nil {
				t.Errorf("%s is taken for a host", test.hosts)
			}
			continue
		}
		l, _ := folder(t)
		grant(t, l, test.hosts...)
		_, err := checking(t, l, `http.get("`+test.url+`")`)
		if test.wantErr == "" {
			granted++
			if err != nil {
				t.Errorf("%s %s: %v", test.hosts, test.url, err)
			}
			continue
		}
		wantError(t, err, test.wantErr)
		if named := fault.As(err, ""); named.Name != "script-not-allowed" || !strings.Contains(named.Hint, test.hint) {
			t.Errorf("%s: %q with hint %q, want %q", test.url, named.Name, named.Hint, test.hint)
		}
	}
	if asked != granted {
		t.Errorf("the server was asked %d times, want %d", asked, granted)
	}
}

func TestHTTPRedirects(t *testing.T) {
	var seen []string
	other, otherPort := server(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, "other "+r.Method+" "+r.Header.Get("Authorization")+r.Header.Get("X-Key")+r.Header.Get("X-Plain"))
	})
	var first string
	first, port := server(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, "first "+r.URL.Path+" "+r.Header.Get("X-Key"))
		switch r.URL.Path {
		case "/out":
			http.Redirect(w, r, other+"/", http.StatusFound)
		case "/keep":
			http.Redirect(w, r, other+"/", http.StatusTemporaryRedirect)
		case "/in":
			http.Redirect(w, r, "/end", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/evil":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
		}
	})
	run := func(body string, hosts ...string) error {
		l, _ := folder(t)
		grant(t, l, hosts...)
		l.options.Env.Secrets = map[string]string{"key": "s3same"}
		seen = nil
		_, err := checking(t, l, `const options = {auth: {bearer: secret("key")}, headers: {"X-Key": secret("key"), "X-Plain": "plain"}}; `+body)
		return err
	}
	own, both := "127.0.0.1:"+port, "127.0.0.1:"+otherPort
	wantError(t, run(`http.get("`+first+`/out")`, own), "the host 127.0.0.1:"+otherPort+" is not granted")
	wantError(t, run(`http.get("`+first+`/evil")`, own), "the host 169.254.169.254 is not granted")
	wantError(t, run(`http.get("`+first+`/loop")`, own), "more than 5 redirects")
	if err := run(`http.get("`+first+`/in", options)`, own); err != nil || strings.Join(seen, ";") != "first /in s3same;first /end s3same" {
		t.Errorf("%v, seen %q", err, seen)
	}
	if err := run(`http.get("`+first+`/out", options)`, own, both); err != nil || strings.Join(seen, ";") != "first /out s3same;other GET plain" {
		t.Errorf("secrets must not go to another host: %v, seen %q", err, seen)
	}
	wantError(t, run(`http.post("`+first+`/keep", "private")`, own, both), "a body to another host")
	if len(seen) != 1 {
		t.Errorf("seen %q", seen)
	}
}

func TestHTTPVerifiesServers(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1/", http.StatusFound)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	defer s.Close()
	l, _ := folder(t)
	grant(t, l, strings.TrimPrefix(s.URL, "https://"), "127.0.0.1")
	_, err := checking(t, l, `http.get("`+s.URL+`")`)
	wantError(t, err, "certificate")
	l.options.Env.Roots = x509.NewCertPool()
	l.options.Env.Roots.AddCert(s.Certificate())
	_, err = checking(t, l, `http.get("`+s.URL+`")`)
	wantError(t, err, "a redirect from https to http")
}

func TestCancelledRequest(t *testing.T) {
	arrived := make(chan struct{})
	address, port := server(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	l, _ := folder(t, "a.js", `trigger("T", {agent: "HR", every: "1s", timeout: "20s", check() { http.get("`+address+`") }})`)
	grant(t, l, "127.0.0.1:"+port)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	began := time.Now()
	_, err := load(t, l).Triggers()[0].Check(ctx, autosync.Occasion{State: memory{}})
	wantError(t, err, "cancelled")
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the call ended after %s", took)
	}
}

func TestFiles(t *testing.T) {
	l, base := folder(t)
	write(t, filepath.Join(base, "data", "a.csv"), "\ufeffid\n1\n")
	write(t, filepath.Join(base, "data", "sub", "b.txt"), "b")
	write(t, filepath.Join(base, "data", "latin"), "\xff")
	write(t, filepath.Join(base, "secret.txt"), "secret")
	write(t, filepath.Join(base, "out", "old"), "old")
	for link, target := range map[string]string{
		"data/out": "../secret.txt", "data/up": "..", "data/in": "sub/b.txt", "out/leak": "../secret.txt", "data/gone": "nowhere",
	} {
		if err := os.Symlink(target, filepath.Join(base, link)); err != nil {
			t.Fatal(err)
		}
	}
	l.options.Env.Read = []string{filepath.Join(base, "data"), filepath.Join(base, "missing")}
	l.options.Env.Write = []string{filepath.Join(base, "out")}
	tests := []struct{ body, want, wantErr string }{
		{body: `return files.read("data/a.csv")`, want: "id\n1\n"},
		{body: `return files.read("data/sub/../a.csv")`, want: "id\n1\n"},
		{body: `return files.read(` + strconv.Quote(filepath.Join(base, "data", "a.csv")) + `)`, want: "id\n1\n"},
		{body: `return files.read("data/in")`, want: "b"},
		{body: `return String(files.bytes("data/latin")[0])`, want: "255"},
		{body: `return files.list("data").map(f => f.name + (f.folder ? "/" : "")).join()`, want: "a.csv,gone,in,latin,out,sub/,up"},
		{body: `const s = files.stat("data/sub/b.txt"); return [s.name, s.size, s.folder, s.modified instanceof Date].join()`, want: "b.txt,1,false,true"},
		{body: `return [files.exists("data"), files.exists("data/x"), files.exists("data/gone"), files.stat("data/x")].join()`, want: "true,false,false,"},
		{body: `files.write("out/new", "text"); files.write("out/old", new Uint8Array([110, 101, 119])); return "done"`, want: "done"},

		{body: `files.read("data/latin")`, wantErr: "files.bytes reads it"},
		{body: `files.read("data/sub")`, wantErr: "not a file"},
		{body: `files.read("data/x")`, wantErr: `files.read: "data/x": no such file`},
		{body: `files.read("secret.txt")`, wantErr: `"secret.txt" is in no folder that scripts may read`},
		{body: `files.read("data/../secret.txt")`, wantErr: "in no folder that scripts may read"},
		{body: `files.read("data/../../etc/passwd")`, wantErr: "in no folder that scripts may read"},
		{body: `files.read("database")`, wantErr: "in no folder that scripts may read"},
		{body: `files.read("data/out")`, wantErr: "escapes"},
		{body: `files.read("data/up/secret.txt")`, wantErr: "escapes"},
		{body: `files.list("data/up")`, wantErr: "escapes"},
		{body: `files.exists("data/up/secret.txt")`, wantErr: "escapes"},
		{body: `files.read("out/old")`, wantErr: "in no folder that scripts may read"},
		{body: `files.list("missing")`, wantErr: "no such file"},
		{body: `files.write("data/a.csv", "x")`, wantErr: "in no folder that scripts may write"},
		{body: `files.write("out/../secret.txt", "x")`, wantErr: "in no folder that scripts may write"},
		{body: `files.write("out/leak", "x")`, wantErr: "escapes"},
		{body: `files.write("out", "x")`, wantErr: "not a file"},
		{body: `files.write("out/none/x", "x")`, wantErr: "no such file"},
		{body: "files.write('out/x', `${secret('key')}`)", wantErr: "writes no secrets"},
	}
	l.options.Env.Secrets = map[string]string{"key": "s3same"}
	for _, test := range tests {
		got, err := checking(t, l, test.body)
		if test.wantErr != "" {
			wantError(t, err, test.wantErr)
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%s: %q, want %q (%v)", test.body, got, test.want, err)
		}
	}
	for name, want := range map[string]string{"out/new": "text", "out/old": "new", "secret.txt": "secret", "data/a.csv": "\ufeffid\n1\n"} {
		if data, err := os.ReadFile(filepath.Join(base, name)); string(data) != want || err != nil {
			t.Errorf("%s: %q, want %q (%v)", name, data, want, err)
		}
	}
	left, err := os.ReadDir(filepath.Join(base, "out"))
	if err != nil || len(left) != 3 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
	_, err = checking(t, l, `files.read("secret.txt")`)
	if hint := fault.As(err, "").Hint; hint != "grant its folder in scripting.allow.read of the configuration" {
		t.Errorf("hint %q", hint)
	}
}

// Whatever a script does with a secret, nothing shows it.
func TestSecretsStayHidden(t *testing.T) {
	var out bytes.Buffer
	l, _ := folder(t)
	l.options.Log = slog.New(slog.NewTextHandler(&out, nil))
	l.options.Env.Secrets = map[string]string{"key": "s3same"}
	got, err := checking(t, l, `const s = secret("key");
		log.info("a", {s}); log.info(s); console.log(s, {deep: [s]}); console.log(`+"`${s}`"+`);
		return [String(s), JSON.stringify({s}), Object.keys(s).length, s + "", Object.getOwnPropertyNames(s).join()].join(" ")`)
	if want := `[secret] {"s":"[secret]"} 0 [secret] `; err != nil || got != want {
		t.Errorf("%q, want %q (%v)", got, want, err)
	}
	if strings.Contains(out.String(), "s3same") || strings.Count(out.String(), "[secret]") != 5 {
		t.Errorf("the log: %s", &out)
	}
	for body, want := range map[string]string{
		`ctx.state.set("x", secret("key"))`: "[secret] cannot be kept as JSON",
		`secret("key").value = 1`:           "[secret] cannot be changed",
		`return secret("key")`:              "names no run profile",
		`throw secret("key")`:               "[secret]",
		`secret("kee")`:                     `there is no secret "kee"`,
	} {
		_, err := checking(t, l, body)
		wantError(t, err, want)
		if strings.Contains(fmt.Sprint(err), "s3same") {
			t.Errorf("%s: %v", body, err)
		}
	}
	write(t, filepath.Join(l.options.Folder, "a.js"), `secret("kee")`)
	_, err = l.Load(t.Context())
	wantError(t, err, `scripts/a.js:1:1: `)
	wantError(t, err, `there is no secret "kee"`)
}
