// Package console is how other programs talk to a daemon that is at work: HTTP
// and JSON, over a Unix socket in the state folder.
//
// [Serve] offers a [Service], which the daemon is; [Dial] returns a [Client], which
// is the same Service on the other side. So a command does its work without
// knowing whether a daemon is there. An error crosses the socket with its text,
// name, place and hint.
//
// The socket belongs to the user who runs the daemon, and to nobody else: who can
// open it may do everything. That is all the authentication there is, so nothing
// in this package listens on a network.
//
//	service.go  Service, and the paths under which it is served
//	server.go   Serve: paths -> Service
//	client.go   Client: Service -> paths
//	look.go     what would happen, and why things are as they are
//	stream.go   runs report how far they are, in a stream of JSON lines
//	errors.go   errors as JSON
//	socket.go   the socket file
package console
