// Package command holds the messages of the replicated log, generated from
// command.proto. They say what is asked; package fsm decides what it means.
package command

//go:generate sh -c "PATH=$(go env GOPATH)/bin:$PATH protoc --go_out=. --go_opt=paths=source_relative command.proto"
