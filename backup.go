package baton

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster/raft"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
)

// A backup is a directory. The manifest is written last: without it there is
// none.
//
//	backup.json   BackupManifest
//	record.state  the replicated record, as topology.State.AppendBinary writes it
//	store/        a checkpoint of the node's store
//
// A node that is restored is behind. In the cluster that it was taken from it
// would bring deletes back: it holds values whose tombstones are reaped there.
// So what is restored is another cluster, whose id is made from that of the
// record's backup: the nodes of the old one and of the new one refuse each other
// at the first byte. A single node that has lost its data is not restored but
// started empty, and repaired by its replicas.
const (
	backupManifest = "backup.json"
	backupRecord   = "record.state"
	backupFormat   = 1
	maxManifest    = 64 << 20
	// maxGraces is how many grace periods the backups of one cluster may be apart:
	// a tombstone is reaped in the third period after its own.
	maxGraces = 2
)

var (
	// ErrBackup says that a backup is not what it should be.
	ErrBackup = errors.New("backup not usable")
	// ErrVolatile says that a node keeps nothing on a disk: the memory engine's
	// cluster is not one that could be restored, as its kinds are volatile.
	ErrVolatile = errors.New("the node keeps nothing on a disk")
	// ErrMoved says that partitions moved while a backup was made.
	ErrMoved = errors.New("partitions moved during the backup")
)

// BackupManifest says what a backup of one node holds.
type BackupManifest struct {
	Format    int
	Node      ring.NodeID
	Nonce     uint64
	ClusterID string // in hexadecimal digits
	Taken     time.Time
	// StoreID is the identity of the node's store, in hexadecimal digits.
	StoreID string
	// RecordVersion is the version of the record, which was read after the store.
	RecordVersion uint64
	// Owners stands for who owns what: equal in backups between which nothing moved.
	Owners string
	// GraceFrom and GraceTo are the grace periods at the beginning and the end.
	GraceFrom, GraceTo uint64
	Partitions         []BackupPartition
	Files              []BackupFile
	// Sum is the SHA-256 of the manifest without it, in hexadecimal digits.
	Sum string
}

// BackupPartition is one partition's data in a backup.
type BackupPartition struct {
	Kind         topology.Kind
	Partition    ring.Partition
	Items, Bytes uint64
	Digest       string
}

// BackupFile is one file of a backup; Name has slashes.
type BackupFile struct {
	Name   string
	Size   int64
	SHA256 string
}

// Backup writes a backup of this node to dir, which must not exist or be empty,
// while the node serves. Tables are linked if dir is on the store's file system.
// It fails with ErrMoved if partitions move meanwhile. All nodes of a cluster
// are backed up one after the other; CheckBackups says whether they fit together.
func (n *Node) Backup(ctx context.Context, dir string) (*BackupManifest, error) {
	m, err := n.backup(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("backup of %s to %s: %w", n.self, dir, err)
	}
	return m, nil
}

func (n *Node) backup(ctx context.Context, dir string) (*BackupManifest, error) {
	c, ok := n.store.(store.Checkpointer)
	if !ok {
		return nil, fmt.Errorf("%w: export its buckets instead", ErrVolatile)
	}
	before, err := n.record.Read(ctx)
	if err != nil {
		return nil, err
	}
	if err := emptyDir(dir); err != nil {
		return nil, err
	}
	if err := c.Checkpoint(filepath.Join(dir, storeDir)); err != nil {
		return nil, err
	}
	contents, err := pebble.Inspect(ctx, filepath.Join(dir, storeDir), pebble.Options{}, false)
	if err != nil {
		return nil, err
	}
	// What the store promised is in the record by now; the other way round, its
	// fences would be above the record's.
	after, err := n.record.Read(ctx)
	if err != nil {
		return nil, err
	}
	m := &BackupManifest{
		Format: backupFormat, Node: n.self, Nonce: n.id.Nonce, ClusterID: after.ClusterID().String(), Taken: time.Now().UTC(),
		StoreID: hex.EncodeToString(contents.Identity[:]), RecordVersion: after.Version(), Owners: ownersOf(after),
		GraceFrom: before.Grace(), GraceTo: after.Grace(), Partitions: partitionsOf(contents),
	}
	if m.Owners != ownersOf(before) || len(after.Transfers()) > 0 {
		return nil, fmt.Errorf("%w: repeat it when the transfers have ended", ErrMoved)
	}
	b, err := after.MarshalBinary()
	if err == nil {
		err = writeSynced(filepath.Join(dir, backupRecord), b)
	}
	if err != nil {
		return nil, err
	}
	if m.Files, err = sumFiles(ctx, dir); err != nil {
		return nil, err
	}
	if b, err = m.encode(); err != nil {
		return nil, err
	}
	return m, errors.Join(writeSynced(filepath.Join(dir, backupManifest), b), syncDir(dir))
}

// ownersOf hashes who owns what since when.
func ownersOf(s topology.State) string {
	h := sha256.New()
	for _, k := range s.Kinds() {
		for p, part := range s.Parts(k.Name) {
			fmt.Fprintf(h, "%q %d %q %d\n", k.Name, p, part.Owner, part.Epoch)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func partitionsOf(c store.Contents) []BackupPartition {
	var out []BackupPartition
	for _, h := range c.Held {
		out = append(out, BackupPartition{
			Kind: h.ID.Kind, Partition: h.ID.Partition, Items: h.Summary.Items, Bytes: h.Summary.Bytes, Digest: h.Summary.Digest.String(),
		})
	}
	return out
}

// sumFiles returns all files of a backup but its manifest, in order.
func sumFiles(ctx context.Context, dir string) ([]BackupFile, error) {
	var files []BackupFile
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		// The lock is empty, and made by whoever opens the store.
		if err != nil || name == backupManifest || e.Name() == "LOCK" {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		h := sha256.New()
		size, err := io.Copy(h, f)
		files = append(files, BackupFile{filepath.ToSlash(name), size, hex.EncodeToString(h.Sum(nil))})
		return errors.Join(err, f.Close())
	})
	return files, err
}

// encode returns the manifest as it is stored.
func (m *BackupManifest) encode() ([]byte, error) {
	m.Sum = ""
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	m.Sum = hex.EncodeToString(sum[:])
	return json.MarshalIndent(m, "", "  ")
}

func decodeManifest(b []byte) (*BackupManifest, error) {
	var m BackupManifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", backupManifest, ErrBackup, err)
	}
	if m.Format != backupFormat {
		return nil, fmt.Errorf("%s: %w: format %d, this program knows %d", backupManifest, ErrBackup, m.Format, backupFormat)
	}
	sum := m.Sum
	if _, err := m.encode(); err != nil || m.Sum != sum {
		return nil, fmt.Errorf("%s: %w: its sum does not match: it was changed or damaged", backupManifest, ErrBackup)
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) {
			return nil, fmt.Errorf("%s: %w: file %q is outside of it", backupManifest, ErrBackup, f.Name)
		}
	}
	return &m, nil
}

func readManifest(dir string) (*BackupManifest, error) {
	f, err := os.Open(filepath.Join(dir, backupManifest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: there is no %s: it was not finished", dir, ErrBackup, backupManifest)
	}
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	m, err := decodeManifest(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return m, nil
}

// VerifyBackup reads a backup whole: every file is there and has its sum, and
// every partition holds the items that its digest is made of.
func VerifyBackup(ctx context.Context, dir string) (*BackupManifest, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, fmt.Errorf("verify backup: %w", err)
	}
	files, err := sumFiles(ctx, dir)
	if err == nil && !slices.Equal(files, m.Files) {
		err = fmt.Errorf("%w: %s: take another", ErrBackup, firstDifference(m.Files, files))
	}
	var contents store.Contents
	if err == nil {
		contents, err = pebble.Inspect(ctx, filepath.Join(dir, storeDir), pebble.Options{}, true)
	}
	if err == nil && !slices.Equal(partitionsOf(contents), m.Partitions) {
		err = fmt.Errorf("%w: its partitions are not those of the manifest", ErrBackup)
	}
	if err != nil {
		return nil, fmt.Errorf("verify backup %s: %w", dir, err)
	}
	return m, nil
}

func firstDifference(want, got []BackupFile) string {
	have := make(map[string]BackupFile, len(got))
	for _, f := range got {
		have[f.Name] = f
	}
	for _, f := range want {
		switch g, ok := have[f.Name]; {
		case !ok:
			return f.Name + " is missing"
		case g != f:
			return f.Name + " is damaged"
		}
	}
	return "there are files that are not of it"
}

// CheckBackups says whether backups are of one cluster, one of each node, and
// close enough together to be restored together: nothing moved between them, and
// no tombstone was reaped that another of them lacks. It returns the one whose
// record is the newest, which all nodes are to be restored with.
func CheckBackups(dirs ...string) (record string, err error) {
	var first, newest *BackupManifest
	nodes := make(map[ring.NodeID]string)
	var from, to uint64
	for _, dir := range dirs {
		m, err := readManifest(dir)
		if err != nil {
			return "", fmt.Errorf("check backups: %w", err)
		}
		if first == nil {
			first, newest, record, from, to = m, m, dir, m.GraceFrom, m.GraceTo
		}
		if m.ClusterID != first.ClusterID || m.Owners != first.Owners {
			return "", fmt.Errorf("check backups: %w: partitions moved between %s and %s, or they are of two clusters: take them again", ErrBackup, dirs[0], dir)
		}
		if other, dup := nodes[m.Node]; dup {
			return "", fmt.Errorf("check backups: %w: %s and %s are both of node %s: name one", ErrBackup, other, dir, m.Node)
		}
		nodes[m.Node] = dir
		if m.RecordVersion > newest.RecordVersion {
			newest, record = m, dir
		}
		from, to = min(from, m.GraceFrom), max(to, m.GraceTo)
	}
	if to-from > maxGraces {
		return "", fmt.Errorf("check backups: %w: they are %d grace periods apart, so deletes may come back: take them closer together", ErrBackup, to-from)
	}
	return record, nil
}

// RestoreOptions says what to restore where.
type RestoreOptions struct {
	// Backup is the node's backup; required.
	Backup string
	// DataDir becomes the node's data directory. It must not exist, or be empty.
	DataDir string
	// Record is the backup whose record the restored cluster begins with: the same
	// for all of its nodes, and the one that CheckBackups names. Default Backup,
	// which is right for a cluster of one node.
	Record string
}

// Restore makes a data directory of a backup, which is verified first. The node
// goes on as a member of a new cluster with the record of the backup: its nodes
// are those of the old one, under their names and with their data. The node that
// Record is of is started first; it is the first voter of the record among the
// nodes, and the others follow, with Join naming its address if that changed.
func Restore(ctx context.Context, o RestoreOptions) (*BackupManifest, error) {
	if o.Backup == "" || o.DataDir == "" {
		return nil, &OptionError{"Backup", o.Backup, "name the directory of the backup, and the data directory to be made"}
	}
	if o.Record == "" {
		o.Record = o.Backup
	}
	m, err := restore(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("restore %s to %s: %w", o.Backup, o.DataDir, err)
	}
	return m, nil
}

func restore(ctx context.Context, o RestoreOptions) (*BackupManifest, error) {
	m, err := VerifyBackup(ctx, o.Backup)
	if err != nil {
		return nil, err
	}
	lead := m
	if o.Record != o.Backup {
		if _, err := CheckBackups(o.Record, o.Backup); err != nil {
			return nil, err
		}
		if lead, err = VerifyBackup(ctx, o.Record); err != nil {
			return nil, err
		}
	}
	if lead.RecordVersion < m.RecordVersion {
		return nil, fmt.Errorf("%w: its record is newer than that of %s: restore all nodes with the newest", ErrBackup, o.Record)
	}
	b, err := os.ReadFile(filepath.Join(o.Record, backupRecord))
	if err != nil {
		return nil, err
	}
	state, err := topology.DecodeState(b)
	if err != nil {
		return nil, err
	}
	_, ok := state.Member(lead.Node)
	if self, member := state.Member(m.Node); !ok || !member || self.Status == topology.Removed {
		return nil, fmt.Errorf("%w: its record does not have %s and %s as members", ErrBackup, m.Node, lead.Node)
	}
	if err := emptyDir(o.DataDir); err != nil {
		return nil, err
	}
	id := identity{Node: string(m.Node), Nonce: m.Nonce, ClusterID: restoredCluster(state.ClusterID(), lead), Lineage: newLineage()}
	kept, err := hex.DecodeString(m.StoreID)
	if err != nil || len(kept) != len(id.Store) {
		return nil, fmt.Errorf("%w: its manifest names the store %q", ErrBackup, m.StoreID)
	}
	copy(id.Store[:], kept) // else the node would take its data for lost
	for _, f := range m.Files {
		if dir, name := filepath.Split(filepath.FromSlash(f.Name)); filepath.Clean(dir) == storeDir {
			if err := copyFile(filepath.Join(o.Backup, dir, name), filepath.Join(o.DataDir, storeDir, name)); err != nil {
				return nil, err
			}
		}
	}
	if err := syncDir(filepath.Join(o.DataDir, storeDir)); err != nil {
		return nil, err
	}
	err = raft.Restore(
		raft.Options{Node: m.Node, Nonce: m.Nonce, Dir: filepath.Join(o.DataDir, recordDir)},
		raft.ServerID(lead.Node, lead.Nonce), state.Renamed(id.ClusterID))
	if err != nil {
		return nil, err
	}
	return m, errors.Join(id.save(o.DataDir), syncDir(o.DataDir))
}

// restoredCluster names the cluster that begins with the record of a backup.
func restoredCluster(old topology.ClusterID, lead *BackupManifest) (id topology.ClusterID) {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(append(old[:], lead.Sum...), lead.RecordVersion))
	copy(id[:], sum[:])
	return id
}

func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty: %w: name another directory", dir, fs.ErrExist)
	}
	return err
}

func writeSynced(path string, b []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// copyFile copies one file, never by a link: what is restored is not to change
// the backup.
func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Sync(), w.Close())
}
