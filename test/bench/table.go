package main

import "slices"

// Table returns everything that is measured, in the order of the ids. The peers'
// figures are those of docs/PERFORMANCE.md.
func Table() []Bench {
	return append([]Bench{
		{ID: "L1", Case: limitTell.Case},
		{ID: "L2", Case: limitChain.Case},
		{ID: "L3", Case: limitLoop.Case},
		{ID: "L4", Case: limitTCP.Case},
		{ID: "L5", Case: limitGRPC.Case},
		{ID: "L6", Case: limitGRPCRaw.Case},
		{ID: "L7", Case: limitWords.Case},
		{ID: "L8", Case: limitCorpus.Case},
	}, slices.Concat(ringBenches(), pipeBenches(), clusterBenches(), kvBenches(), durableBenches())...)
}
