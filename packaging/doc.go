// Package packaging holds what makes metasync a package of Debian or RPM and a service
// of systemd; `make package` builds the packages. Its tests, with the build tags deb and
// systemd, build one and look into it. It has no other content.
package packaging
