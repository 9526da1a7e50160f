package sync

// InboundCounters lists the inbound-flow counters (sync-engine §2.5).
var InboundCounters = []Counter{
	DisconnectorFiltered,
	DisconnectorJoinedNoFlow, DisconnectorJoinedFlow, DisconnectorJoinedRemoveMV,
	DisconnectorProjectedNoFlow, DisconnectorProjectedFlow, DisconnectorProjectedRemove,
	DisconnectorRemains,
	ConnectorFilteredRemoveMV, ConnectorFilteredLeaveMV,
	ConnectorLeftScopeRemoveMV, ConnectorLeftScopeLeaveMV,
	ConnectorFlow, ConnectorFlowRemoveMV, ConnectorNoFlow,
	ConnectorDeleteRemoveMV, ConnectorDeleteLeaveMV, ConnectorDeleteAddProcessed,
	DisconnectedLeaveMV, DisconnectedRemoveMV,
	FlowFailure,
}

// OutboundCounters lists the outbound-flow counters (sync-engine §2.5).
var OutboundCounters = []Counter{
	ProvisionedAddNoFlow, ProvisionedAddFlow, ProvisionedRenameFlow, ProvisionedRenameOnly, ProvisionedDisconnect,
	ConnectorFlow, ConnectorNoFlow,
	ProvisionedDeleteAddNoFlow, ProvisionedDeleteAddFlow,
	DetectedRuleAdd, DetectedRuleDelete,
}
