package baton

import (
	"errors"
	"path/filepath"
	"testing"
)

func FuzzDecodeManifest(f *testing.F) {
	m := BackupManifest{Format: backupFormat, Node: "a", Files: []BackupFile{{Name: "store/1.sst", Size: 7}}}
	good, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	outside := BackupManifest{Format: backupFormat, Files: []BackupFile{{Name: "../x"}}}
	bad, err := outside.encode()
	if err != nil {
		f.Fatal(err)
	}
	if _, err := decodeManifest(good); err != nil {
		f.Fatal(err)
	}
	if _, err := decodeManifest(bad); !errors.Is(err, ErrBackup) {
		f.Fatalf("a file outside: %v", err)
	}
	for _, b := range [][]byte{good, bad, nil, []byte("{}"), []byte(`{"Format":1}`)} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeManifest(b)
		if err != nil {
			if !errors.Is(err, ErrBackup) {
				t.Fatal(err)
			}
			return
		}
		for _, file := range m.Files {
			if !filepath.IsLocal(file.Name) {
				t.Fatalf("file %q", file.Name)
			}
		}
	})
}
