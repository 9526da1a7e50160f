//go:build !unix

package main

import "errors"

var errNoServers = errors.New("servers are started on Unix only")

func reportDirectory() error { return errNoServers }

func profileDirectory() error { return errNoServers }

func directoryRun(string) error { return errNoServers }
