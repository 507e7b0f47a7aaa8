package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/memory"
	"github.com/dee2748c/baton/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(testing.TB) store.Engine { return memory.New() }

func TestEngine(t *testing.T) { storetest.Run(t, open) }
