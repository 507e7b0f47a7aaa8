package messages

// maxInterned bounds an Interner, so that a peer that invents names can't grow it for ever.
const maxInterned = 4096

// Interner keeps one copy of each name that frames of a connection carry. The zero value is ready; it is not safe for
// concurrent use. A nil *Interner copies every name.
type Interner struct {
	lastFrom, lastTo, lastKind string
	names                      map[string]string
}

func (in *Interner) from(b []byte) string {
	if in == nil {
		return string(b)
	}
	if in.lastFrom != string(b) {
		in.lastFrom = in.intern(b)
	}
	return in.lastFrom
}

func (in *Interner) to(b []byte) string {
	if in == nil {
		return string(b)
	}
	if in.lastTo != string(b) {
		in.lastTo = in.intern(b)
	}
	return in.lastTo
}

func (in *Interner) kind(b []byte) string {
	if in == nil {
		return string(b)
	}
	if in.lastKind != string(b) {
		in.lastKind = in.intern(b)
	}
	return in.lastKind
}

func (in *Interner) intern(b []byte) string {
	if name, ok := in.names[string(b)]; ok {
		return name
	}
	name := string(b)
	if in.names == nil {
		in.names = make(map[string]string)
	}
	if len(in.names) < maxInterned {
		in.names[name] = name
	}
	return name
}
