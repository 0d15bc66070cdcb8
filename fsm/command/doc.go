// Package command holds the messages of the replicated log, generated from
// command.proto by `just proto`. They say what is asked; package fsm decides
// what it means.
package command
