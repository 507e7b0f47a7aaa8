package topology

// An Outcome is what Apply decided about a command. A repeated command id gets the equal outcome.
// Fields that do not concern the operation are zero.
type Outcome struct {
	ID   CommandID
	Code Code
	// Err is nil unless the command was refused; then it is an *Error and nothing changed.
	Err error
	// Version is the record's version after the command.
	Version uint64
	// Session is that of the transfer opened or concerned.
	Session uint64
	// Stage is that transfer's stage after the command; zero when the transfer is closed.
	Stage Stage
	// Epoch is the owner epoch of the partition concerned, after the command.
	Epoch uint64
	// Incarnation is that of the node that starts or joins.
	Incarnation uint64
	// Term is the term BeginTerm issued.
	Term uint64
}

// OK reports whether the command was accepted, be it without a change.
func (o Outcome) OK() bool { return o.Err == nil }

// Changed reports whether the command changed the record.
func (o Outcome) Changed() bool { return o.Code == CodeApplied }
