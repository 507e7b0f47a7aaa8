package mapreduce

import (
	"math/bits"

	"github.com/dee2748c/baton/kv"
)

// WordCount counts the words of all objects: word to number of occurrences. A
// word is what [Words] says.
func WordCount() Job[string, uint64, uint64] {
	return Job[string, uint64, uint64]{
		Name: "wordcount",
		Map: func(o kv.Object, emit func(string, uint64)) error {
			Words(o.Text(), func(word string) { emit(word, 1) })
			return nil
		},
		Combine: Sum[uint64],
	}
}

// Words calls yield for each word of text in order: each maximal run of ASCII
// letters, digits and underscores. Words are parts of text; case is kept.
func Words(text string, yield func(word string)) {
	start, i := -1, 0
	for ; i+wordBlock <= len(text); i += wordBlock {
		// A bit for each byte that belongs to a word; where neighbours differ a
		// word begins or ends. One loop turn for each edge beats one branch
		// for each byte, which the processor can't predict.
		in := classify(text[i : i+wordBlock])
		var before uint64
		if start >= 0 {
			before = 1
		}
		for edges := in ^ (in<<1 | before); edges != 0; edges &= edges - 1 {
			at := i + bits.TrailingZeros64(edges)
			if start < 0 {
				start = at
				continue
			}
			yield(text[start:at])
			start = -1
		}
	}
	for ; i < len(text); i++ {
		switch in := wordByte[text[i]] == 1; {
		case in && start < 0:
			start = i
		case !in && start >= 0:
			yield(text[start:i])
			start = -1
		}
	}
	if start >= 0 {
		yield(text[start:])
	}
}

// wordBlock is how many bytes are classified at once.
const wordBlock = 64

// classify returns a mask of the bytes of a block that belong to words.
func classify(block string) (mask uint64) {
	for j := 0; j < wordBlock; j += 8 {
		b := block[j : j+8]
		eight := wordByte[b[0]] | wordByte[b[1]]<<1 | wordByte[b[2]]<<2 | wordByte[b[3]]<<3 |
			wordByte[b[4]]<<4 | wordByte[b[5]]<<5 | wordByte[b[6]]<<6 | wordByte[b[7]]<<7
		mask |= uint64(eight) << j
	}
	return mask
}

// wordByte is 1 for the bytes that words are made of.
var wordByte = func() (t [256]uint8) {
	for _, r := range []struct{ from, to byte }{{'a', 'z'}, {'A', 'Z'}, {'0', '9'}, {'_', '_'}} {
		for c := int(r.from); c <= int(r.to); c++ {
			t[c] = 1
		}
	}
	return t
}()
