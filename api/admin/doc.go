// Package admin is the admin API of a node: JSON over HTTP, the handler and the
// client. What it needs of a node it asks through [Node].
package admin
