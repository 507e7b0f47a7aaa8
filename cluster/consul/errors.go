package consul

import "errors"

var (
	// ErrDenied is returned when the server does not know the token, or the token does not allow the
	// request: it needs key:write on the prefix, session:write on the agents' nodes, service:write on
	// the service, and node:read. It comes with cluster.ErrUnavailable.
	ErrDenied = errors.New("denied by Consul's access control: check the token and its policies")
	// ErrRecordExists is returned by Restore when the server has a record that is not older, or this
	// node a newer one.
	ErrRecordExists = errors.New("there is a record that is not older")
)
