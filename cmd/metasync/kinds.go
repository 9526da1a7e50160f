package main

import (
	"github.com/metasync/metasync/agents/ad"
	"github.com/metasync/metasync/agents/csv"
	"github.com/metasync/metasync/agents/ldap"
	"github.com/metasync/metasync/agents/ldif"
	"github.com/metasync/metasync/engine/agent"
)

// kinds are the kinds of connected systems that a configuration may name.
var kinds = []agent.Kind{
	ad.Kind,
	csv.Kind,
	ldap.Kind,
	ldif.Kind,
}
