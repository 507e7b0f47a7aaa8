package history

// Scan returns the entries at the beginning of a file; see scan.
func Scan(b []byte) (all []Entry, good int, torn bool, err error) {
	good, torn, err = scan(b, func(e Entry) { all = append(all, e) })
	return all, good, torn, err
}

// Encode returns the bytes of entries in a file.
func Encode(all []Entry) (b []byte, err error) {
	for i := range all {
		if b, err = appendEntry(b, &all[i]); err != nil {
			return nil, err
		}
	}
	return b, nil
}
