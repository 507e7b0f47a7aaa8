package memory_test

import (
	"testing"

	"github.com/dee2748c/baton/store/storetest"
)

func BenchmarkPartition_Write(b *testing.B)    { storetest.BenchmarkWrite(b, "memory", open) }
func BenchmarkPartition_Get(b *testing.B)      { storetest.BenchmarkGet(b, "memory", open) }
func BenchmarkPartition_Snapshot(b *testing.B) { storetest.BenchmarkSnapshot(b, "memory", open) }
func BenchmarkSnapshot_Scan(b *testing.B)      { storetest.BenchmarkScan(b, "memory", open) }
func BenchmarkEngine_Memory(b *testing.B)      { storetest.BenchmarkMemory(b, "memory", open) }
