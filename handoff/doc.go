// Package handoff holds one transfer's life as pure machines: the Sender at the
// source, the Receiver at the target, the fencing rules between them, and the
// bytes in which items travel.
//
// The replicated record decides what a transfer may do; these machines move the
// data and report. One stream carries one attempt:
//
//	source                                             target
//	SendHello ------------------ hello ------------->  Admit: F3, F4, F5, else Reject
//	RequestFold <----------------- ok ---------------  ResetStaging: a copy starts from nothing
//	ReadBulk, SendItems -------- items 1..n --------->  Apply, SendAck   F7: seq == last+1
//	ReadDirty, SendDelta ------- delta n+1.. -------->  Apply, SendAck   same sequence
//	ReportReadyToSeal   record: FOLD -> SEAL
//	Frozen, last ReadDirty ----- delta -------------->
//	ReportFrozen, SendFin ------ fin{seal} ---------->  SyncStaging, compare, StoreSeal
//	Done <------------------ fin reply{seal} --------  ReportSealed
//	                    record: both seals equal, SEAL -> DRAIN (the flip)
//
// The phases of the two sides, with the event that leads on:
//
//	Sender:   connecting -StreamOpened-> greeting -HelloOK-> folding -FoldBegun-> copying
//	          -BulkRead{Last}-> chasing -DirtyRead{Final}-> finishing -FinOK-> ended
//	          greeting -FinOK (sealed by an earlier stream)-> confirming -DirtyRead{Final}-> ended
//	Receiver: greeting -Hello-> [awaiting -ViewApplied->] resetting -StagingReset-> receiving
//	          -Fin and Applied-> syncing -StagingSynced-> sealing -SealStored-> sealed
//
// Changes go out as states, never as requests: the source notes which keys
// changed (DirtySet) and reads what they are when it sends them. The seal comes
// when two looks in a row found few, so that the freeze is short. An empty
// vnode has nothing to copy: RequestFold is answered by FoldBegun{Empty}, the
// module hears of no fold, and FIN carries zero items.
//
// A shell owns the stream, the store and the time:
//
//	s := handoff.NewSender(handoff.SenderOptions{Attempt: attempt})
//	for actions := s.Step(handoff.StreamOpened{}); ; actions = s.Step(next()) {
//		for _, a := range actions {
//			switch a := a.(type) {
//			case handoff.ReadBulk:
//				results.push(bulk.Read(a.MaxBytes))
//			case handoff.SendItems:
//				send(messages.TypeHandoffItems, a.Seq, a.Payload)
//			case handoff.Fail:
//				return a
//			...
//
// Rules of the handoff protocol that are enforced here, each at a line that
// names it: F1 and F2 (CheckEnvelope), F3 to F5 (Admit), F6 (that a closed
// session has no effect; the guards are package session's), F7, F8. F11's
// comparison is made here once, by the target, and again by the record.
//
// Invariants:
//
//   - I1 Done is reached only when the target's durable, sealed copy equals the source's frozen one in count, bytes and digest.
//   - I2 The target applies batch n+1 only after batch n, each once and whole.
//   - I3 No delta precedes a bulk batch, so no older value overwrites a newer one.
//   - I4 Every copy starts from empty staging; nothing of an earlier stream is in it.
//   - I5 An item that can't be read, encoded or parsed ends the transfer; it is never left out.
//   - I6 Whatever a Receiver is sent, it has no effect after End, and none before admission.
//   - I7 A Sender never has more than its window and one batch in flight.
package handoff
