package actors_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// Why an error of the domain has no code.
const (
	oneSide  = "an end of one side's machine: the other side hears of it by a frame of its own, or as the end of the stream"
	byRecord = "answered as what the record says: a stale session, or cancelled"
	ofStore  = "a mistake of whoever uses the store, or handled by it: for others an internal error"
)

// edge says of each sentinel of the packages whose errors a node may meet while it works for another one: the sentinel,
// when it comes out at the other end as itself, or why it does not.
var edge = map[string]map[string]any{
	"messages": {
		"ErrDamaged": messages.ErrDamaged, "ErrVersion": messages.ErrVersion, "ErrUnknownType": messages.ErrUnknownType,
		"ErrTooLarge": messages.ErrTooLarge, "ErrInternal": messages.ErrInternal, "ErrUnavailable": messages.ErrUnavailable,
		"ErrTimeout": messages.ErrTimeout, "ErrCancelled": messages.ErrCancelled, "ErrClosed": messages.ErrClosed,
		"ErrClusterMismatch": messages.ErrClusterMismatch, "ErrIncarnation": messages.ErrIncarnation, "ErrWrongNode": messages.ErrWrongNode,
		"ErrInvalid": messages.ErrInvalid, "ErrWrongOwner": messages.ErrWrongOwner, "ErrStaleRing": messages.ErrStaleRing,
		"ErrFrozen": messages.ErrFrozen, "ErrOverloaded": messages.ErrOverloaded, "ErrNotFound": messages.ErrNotFound,
		"ErrRefused": messages.ErrRefused, "ErrFewCopies": messages.ErrFewCopies, "ErrStaleSession": messages.ErrStaleSession,
		"ErrUnknownSession": messages.ErrUnknownSession, "ErrSealed": messages.ErrSealed, "ErrGap": messages.ErrGap,
		"ErrMismatch": messages.ErrMismatch, "ErrCodec": messages.ErrCodec, "ErrNoSpace": messages.ErrNoSpace,
	},
	"vnode": {
		"ErrWrongOwner": vnode.ErrWrongOwner, "ErrFrozen": vnode.ErrFrozen, "ErrStaleRing": vnode.ErrStaleRing,
		"ErrOverloaded": vnode.ErrOverloaded, "ErrStopped": vnode.ErrStopped, "ErrUnexpectedForward": vnode.ErrUnexpectedForward,
	},
	"store": {
		"ErrDropped": store.ErrDropped, "ErrCorrupt": store.ErrCorrupt, "ErrClosed": store.ErrClosed, "ErrDiskFull": store.ErrDiskFull,
		"ErrBroken": store.ErrBroken, "ErrNotFound": ofStore, "ErrOrder": ofStore, "ErrNotEmpty": ofStore, "ErrNotStaged": ofStore,
		"ErrStaleSession": ofStore, "ErrFenceLowered": ofStore,
	},
	"handoff": {
		"ErrStaleStream": handoff.ErrStaleStream, "ErrBatchFull": oneSide, "ErrItemTooLarge": oneSide, "ErrProtocol": oneSide, "ErrLost": oneSide,
		"ErrUnreadable": oneSide, "ErrCancelled": oneSide, "ErrMismatch": oneSide, "ErrFrozenRestart": oneSide,
	},
	"handoff/session": {"ErrInvalid": byRecord, "ErrUnknown": byRecord, "ErrClosed": byRecord, "ErrHeld": byRecord},
}

// TestEdge: every sentinel of the domain is in the table; it comes out at the other node as itself, by a frame and by a
// gRPC status, under words that are kept, and it comes out as no other one that means something else; what has no code is
// an internal error, and a code of another version stays typed.
func TestEdge(t *testing.T) {
	all := map[messages.Code][]error{}
	for dir, known := range edge {
		declared := sentinelsOf(t, "../"+dir)
		for _, name := range declared {
			if known[name] == nil {
				t.Errorf("%s.%s is not in the table: say whether it travels", dir, name)
			}
		}
		if len(declared) != len(known) {
			t.Errorf("%s declares %d sentinels, the table has %d", dir, len(declared), len(known))
		}
		for name, x := range known {
			want, travels := x.(error)
			if !travels {
				continue
			}
			all[codeOf(want)] = append(all[codeOf(want)], want)
			for way, got := range ways(fmt.Errorf("put %q: %w", "k", want)) {
				if !errors.Is(got, want) || !strings.Contains(got.Error(), `put "k"`) {
					t.Errorf("%s.%s came out of a %s as %v", dir, name, way, got)
				}
			}
		}
	}
	for code, same := range all {
		for _, err := range same {
			if err != same[0] && code != messages.CodeNoSpace { // the one that says the same in two packages
				t.Errorf("%v and %v have the same code %d", same[0], err, code)
			}
		}
		for other, errs := range all {
			for way, got := range ways(same[0]) {
				if code != other && code != messages.CodeInternal && errs[0] != messages.ErrInternal && errors.Is(got, errs[0]) {
					t.Errorf("%v came out of a %s as %v too", same[0], way, errs[0])
				}
			}
		}
		if c := status.Code(actors.ToStatus(same[0])); c == codes.OK || c == codes.Unknown {
			t.Errorf("%v travels as status %v", same[0], c)
		}
	}
	for _, damage := range []error{&store.CorruptError{Err: errors.New("checksum")}, &store.DamageError{Err: errors.New("checksum")}} {
		for way, got := range ways(damage) {
			if !errors.Is(got, store.ErrCorrupt) {
				t.Errorf("%T came out of a %s as %v", damage, way, got)
			}
		}
	}
	for way, got := range ways(errors.New("boom")) {
		if !errors.Is(got, messages.ErrInternal) || got.Error() != "boom" {
			t.Errorf("an error of nobody came out of a %s as %v", way, got)
		}
	}
	for way, got := range ways(&messages.Error{Code: 60_000, Message: "new"}) {
		var typed *messages.Error
		if !errors.As(got, &typed) || typed.GetCode() != 60_000 || !errors.Is(got, messages.ErrInternal) || got.Error() != "new" {
			t.Errorf("a code of another version came out of a %s as %v", way, got)
		}
	}
}

// ways are how an error gets from node to node.
func ways(err error) map[string]error {
	var f messages.Frame
	f.Fail(err)
	return map[string]error{"frame": f.Err(), "gRPC status": actors.FromStatus(actors.ToStatus(err))}
}

func codeOf(err error) messages.Code { return messages.Code(messages.ErrorOf(err).GetCode()) }

// sentinelsOf returns the names of the package variables that begin with Err.
func sentinelsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				for _, n := range s.(*ast.ValueSpec).Names {
					if strings.HasPrefix(n.Name, "Err") {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}
