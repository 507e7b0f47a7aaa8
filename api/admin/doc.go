// Package admin is the admin API of a node: JSON over HTTP, the handler and the
// client that the command uses. What it needs of a node it asks through [Node]
// and [Store].
//
//	baton cluster plan --Client.Plan--> POST /v1/plan --Node.Plan--> record
//	any HTTP client    --GET /v1/...--> answer from the newest record, or "stale" and why
//
// One handler serves reads; with Options.Changes, on the admin address only,
// also what changes the cluster:
//
//	http.Serve(adminListener, admin.NewHandler(admin.Options{Node: n, Changes: true}))
//	http.Serve(httpListener, admin.NewHandler(admin.Options{Node: n}))
//
// Reads (GET): /livez /readyz /v1 (this list) /v1/status /v1/members /v1/ring
// /v1/ringready /v1/plan /v1/transfers /v1/handoff /v1/health; on the admin address also
// /v1/config /v1/record /v1/certificates.
//
// Changes (POST, a JSON object): /v1/join /v1/leave /v1/replace
// /v1/force-remove /v1/force-replace /v1/down /v1/share /v1/plan /v1/commit
// /v1/clear /v1/move /v1/transfer-limit /v1/handoff-config /v1/handoff-switch
// /v1/handoff-cancel /v1/restore.
//
// Objects, with Options.Store and on the admin address only:
// /v1/objects/TYPE/BUCKET/KEY (GET, PUT, DELETE), /v1/objects/TYPE/BUCKET and
// /v1/objects/TYPE (listings), /v1/index/TYPE/BUCKET/INDEX (queries); GET
// /v1/bucket /v1/bucket-types /v1/entropy /v1/hints /v1/audit; POST /v1/bucket-set
// /v1/bucket-reset /v1/bucket-type-create /v1/bucket-type-activate
// /v1/bucket-type-update /v1/repair /v1/backup. A listing is a stream of JSON
// objects, one a line, that ends with an [End].
//
// Every error is an [Error]: {code, operation, operand, message, remedy}. Its
// code is stable, and errors.Is matches the same sentinel at the node and at
// the client. 409 is a refusal by the cluster's state, other 4xx a request that
// has to be changed, 5xx what was not done or may have been.
//
// Invariants, which the tests name by what they do:
//
//	I1  a change is served with Options.Changes only, as declared JSON, and never for a web page
//	I2  every refusal of the record has a code, and survives the wire
//	I3  a read never fails because the record's majority is away
//	I4  a commit names the plan that was reviewed
//	I5  a stream without its End is an error at the client, and the node reads no further than it takes
//	I6  any bytes in a name, a value or metadata survive the API
//	I7  no body makes the handler panic or fail internally
package admin
