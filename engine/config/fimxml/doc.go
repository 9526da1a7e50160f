// Package fimxml turns synchronization rules into the XML of FIM and MIM, and that
// XML into rules (sync-engine §5.1, §5.4).
//
// [Encode] writes one document:
//
//	<SynchronizationRules xmlns:metasync="urn:metasync:rule">
//	  <SynchronizationRule>
//	    <DisplayName>AD accounts</DisplayName>
//	    <FlowType>1</FlowType>
//	    ...
//	    <PersistentFlow><export-flow allows-null="false">...</export-flow></PersistentFlow>
//	  </SynchronizationRule>
//	</SynchronizationRules>
//
// Its elements are called as the attributes of FIM's SynchronizationRule, and what
// is in them is FIM's own XML of flows, scoping filters and relationship criteria.
// The order of the flows is that of the rule; a flow that is an existence test
// stands twice. What FIM has no word for is in the namespace urn:metasync:rule: with
// it, [Decode] returns the same rules, apart from blanks in expressions, and each
// use of it is a note.
//
// [Decode] also reads what the public tools for FIM write, where an object is a list
// of attributes with names and values, and single flows. The XML inside a value may
// be escaped there. What cannot be expressed is a note and never a guess; what is
// wrong is an error with its place and the reference's name for it.
//
// An expression becomes nested fn elements if it consists of calls, + and simple
// values, otherwise one fn CustomExpression with its text.
package fimxml
