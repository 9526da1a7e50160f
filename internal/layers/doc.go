// Package layers holds the tests of what no single package can test: that
// imports point down the house of docs/architecture.md and only certain
// packages know certain libraries; that every direct dependency is justified;
// that links in the documentation lead somewhere. It has no other content.
package layers
