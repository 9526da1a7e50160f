# Four commands: make lint, make test, make bench, make demo.
# They need Go and make; `make test` gets itself a C compiler, tsc
# and the servers that tests start, if it may, and so does `make bench-ldap`.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

# Seconds that `make fuzz` gives to each fuzz target.
FUZZTIME ?= 10s

.DEFAULT_GOAL := build
.PHONY: build lint test bench bench-ldap demo fuzz laws package race-compiler script-compiler test-servers bench-servers

## build: the static binary bin/metasync
build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/metasync ./cmd/metasync

# What makes the packages. It runs in its own module, so that nothing of it is in ours.
NFPM := go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.44.2

# Where the packages go, and their version: that of the last tag, v1.2.3, and how far we
# are from it.
PACKAGES ?= bin/packages
PACKAGE_VERSION ?= $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-/+/; s/-/./g' | grep . || \
	echo "0.0.0+$$(git rev-parse --short HEAD 2>/dev/null || echo unknown)")

## package: packages for Debian and RPM in bin/packages
package:
	@stage="$$(mktemp -d)" && trap 'rm -rf "$$stage"' EXIT && \
	CGO_ENABLED=0 GOOS=linux go build -trimpath -ldflags '-s -w -X main.version=$(PACKAGE_VERSION)' -o "$$stage/metasync" ./cmd/metasync && \
	go run ./cmd/metasync init "$$stage/etc" >/dev/null && \
	sed -i -e 's|^state: .metasync |state: /var/lib/metasync/state |' \
		-e 's|^    file: data/accounts.csv |    file: /var/lib/metasync/accounts.csv |' "$$stage/etc/metasync.yaml" && \
	mkdir -p '$(PACKAGES)' && \
	for packager in deb rpm; do \
		VERSION='$(PACKAGE_VERSION)' GOARCH="$$(go env GOARCH)" STAGE="$$stage" \
			$(NFPM) package --config packaging/nfpm.yaml --packager $$packager --target '$(PACKAGES)' || exit 1; \
	done

## lint: formatting, vet, staticcheck
lint:
	@unformatted="$$(go tool gofumpt -l .)" || exit 1; \
	if [ -n "$$unformatted" ]; then \
		echo "not formatted, run 'go tool gofumpt -w .':" >&2; \
		echo "$$unformatted" >&2; \
		exit 1; \
	fi
	go vet ./...
	go tool staticcheck ./...

# One package more than there are processors: some wait for servers most of the time.
AT_ONCE = -p "$$(($$(getconf _NPROCESSORS_ONLN) + 1))"

## test: every test, with the race detector where a C compiler is to be had
test: race-compiler script-compiler test-servers
	@tags=""; \
	with() { tags="$${tags:+$$tags,}$$1"; }; \
	if command -v tsc >/dev/null 2>&1; then with tsc; else \
		echo "*** no TypeScript compiler: the scripts are NOT type-checked (npm install --global typescript) ***" >&2; \
	fi; \
	if command -v systemd-analyze >/dev/null 2>&1; then with systemd; else \
		echo "*** no systemd-analyze: the unit is NOT checked (apt-get install systemd) ***" >&2; \
	fi; \
	if command -v dpkg-deb >/dev/null 2>&1 && $(NFPM) --version >/dev/null 2>&1; then with deb; else \
		echo "*** no dpkg-deb, or no nfpm: the package is NOT built and looked into ***" >&2; \
	fi; \
	for server in $(SERVERS); do \
		name="$${server%%:*}"; \
		if [ "$$name" = samba ] && [ "$$(id -u)" != 0 ]; then \
			echo "*** a domain controller takes root: what needs samba is NOT tested ***" >&2; \
		elif $(FIND_SERVER) "$$server"; then with "$$name"; else \
			echo "*** no $$name: what needs it is NOT tested (apt-get install $$(echo "$${server##*:}" | tr + ' ')) ***" >&2; \
		fi; \
	done; \
	if go test -count=1 -tags toxiproxy -run TestToxiproxy ./internal/servers >/dev/null 2>&1; then with toxiproxy; else \
		echo "*** no toxiproxy, which go install gets: connections that break are NOT tested ***" >&2; \
	fi; \
	if cc="$$(go env CC)" && command -v "$${cc%% *}" >/dev/null 2>&1; then \
		echo "go test -race -tags '$$tags' ./..."; \
		CGO_ENABLED=1 go test -race -tags "$$tags" -timeout 30m $(AT_ONCE) ./...; \
	else \
		echo "*** no C compiler: testing WITHOUT the race detector ***" >&2; \
		go test -tags "$$tags" -timeout 30m $(AT_ONCE) ./... && \
		echo "*** tested WITHOUT the race detector: install gcc and test again ***" >&2; \
	fi

# Real servers that tests start: the build tag of their tests, their program and the
# packages of Debian. Root on a machine with apt gets them; anybody else is told.
SERVERS := postgres:initdb:postgresql mariadb:mariadbd:mariadb-server slapd:slapd:slapd+ldap-utils ds389:ns-slapd:389-ds-base+ldap-utils+libnss3-tools \
	samba:samba:samba+samba-ad-dc+samba-ad-provision+samba-dsdb-modules+samba-vfs-modules+winbind+krb5-user+ldb-tools
FIND_SERVER := sh -c 'program="$${0\#*:}"; program="$${program%%:*}"; \
	PATH="$$PATH:/usr/sbin:/usr/local/sbin:$$(echo /usr/lib/postgresql/*/bin | tr " " :)" command -v "$$program" >/dev/null'
test-servers:
	@missing=""; \
	for server in $(SERVERS); do \
		$(FIND_SERVER) "$$server" || missing="$$missing $$(echo "$${server##*:}" | tr + ' ')"; \
	done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "installing$$missing to test with"; \
		{ apt-get update -qq && \
		  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } >&2 || \
		echo "***$$missing could not be installed ***" >&2; \
	fi

# The race detector needs cgo, and cgo a C compiler. Root on a machine with apt
# gets one; anybody else is told by the test target.
race-compiler:
	@cc="$$(go env CC)"; \
	if ! command -v "$${cc%% *}" >/dev/null 2>&1 && \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "installing gcc for the race detector"; \
		{ apt-get update -qq && \
		  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev; } >&2 || \
		echo "*** gcc could not be installed ***" >&2; \
	fi

# The scripts that ship are type-checked by the TypeScript compiler: the build tag tsc
# adds the test. Root on a machine with npm gets the compiler; anybody else is told.
TYPESCRIPT ?= 7.0.2
script-compiler:
	@if ! command -v tsc >/dev/null 2>&1 && \
		[ "$$(id -u)" = 0 ] && command -v npm >/dev/null 2>&1; then \
		echo "installing typescript to type-check the scripts"; \
		timeout 120 npm install --global --silent --no-audit --no-fund typescript@$(TYPESCRIPT) >&2 || \
		echo "*** typescript could not be installed: the scripts are not type-checked ***" >&2; \
	fi

## bench: a population synchronized from end to end, then expressions, with figures
bench:
	go run ./internal/bench
	go test -run '^$$' -bench 'BenchmarkEval' ./engine/expr
	go test -run '^$$' -bench 'AgainstScript|Call|Load' ./scripting

## bench-ldap: two directories that are kept alike, beside a script that does the same
bench-ldap: bench-servers
	go run ./internal/bench -ldap -people 50000 -changes 500 -created 10000

# Both need OpenLDAP and its tools, and the script a Python with python-ldap. Root on a
# machine with apt gets them; anybody else is told.
PYTHON_LDAP := { python3 -c 'import ldap' || /usr/bin/python3 -c 'import ldap'; } >/dev/null 2>&1
bench-servers:
	@missing() { \
		$(FIND_SERVER) slapd:slapd: || printf ' slapd'; \
		command -v ldapmodify >/dev/null || printf ' ldap-utils'; \
		$(PYTHON_LDAP) || printf ' python3-ldap'; \
	}; \
	packages="$$(missing)"; \
	if [ -n "$$packages" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "installing$$packages to measure with"; \
		{ apt-get update -qq && \
		  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$packages; } >&2; \
	fi; \
	packages="$$(missing)"; \
	if [ -n "$$packages" ]; then \
		echo "*** nothing can be measured without (apt-get install$$packages) ***" >&2; \
		exit 1; \
	fi

## fuzz: every fuzz target for FUZZTIME each
fuzz:
	@go list -f '{{.ImportPath}}' ./... | while read -r package; do \
		for target in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" || exit 1; \
		done; \
	done

# How many stories `make laws` tells of each kind.
LAWS ?= 2000

## laws: the invariants of the engine on random stories, new ones each time; months of the
## scheduler; a daemon that is killed two hundred times
laws:
	go test ./engine -run 'TestConvergence|TestChaos|TestNames' \
		-rapid.checks=$(LAWS) -rapid.seed=$$(date +%s) -timeout 2h
	go test ./engine/autosync -run TestSimulation -simulations 20 -timeout 2h
	go test ./cmd/metasync -run TestKillDaemon -kills 200 -timeout 2h

## demo: the quickstart in a fresh folder ./demo, synchronized once
demo: build
	@rm -rf demo
	@cp -R examples/quickstart demo
	@echo "--- cd demo && metasync once"
	@cd demo && ../bin/metasync once
	@echo
	@echo "--- out/directory.csv, which did not exist before:"
	@head -n 6 demo/out/directory.csv
	@echo "    ... $$(($$(wc -l < demo/out/directory.csv) - 1)) people"
	@echo
	@echo "--- what happened:"
	@cd demo && ../bin/metasync history
	@echo
	@echo "Next: let it run by itself. In one terminal"
	@echo "    cd demo && ../bin/metasync run"
	@echo "and in another change somebody in demo/data/hr.csv, for example"
	@echo "    sed -i '/^100047,/s/,active,/,left,/' demo/data/hr.csv"
	@echo "and look at demo/out/directory.csv a few seconds later: the account is gone."
	@echo "demo/README.md tells the rest."
