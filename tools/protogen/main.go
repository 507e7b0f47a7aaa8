package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if err := generate(context.Background(), ".", "."); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

// generate compiles messages/*.proto below root and writes their Go code below out.
func generate(ctx context.Context, root, out string) error {
	sources, err := filepath.Glob(filepath.Join(root, "messages", "*.proto"))
	if err != nil || len(sources) == 0 {
		return fmt.Errorf("no messages/*.proto below %s: %w", root, os.ErrNotExist)
	}
	req := &pluginpb.CodeGeneratorRequest{Parameter: proto.String("paths=source_relative")}
	for _, s := range sources {
		req.FileToGenerate = append(req.FileToGenerate, "messages/"+filepath.Base(s))
	}
	if req.ProtoFile, err = compile(ctx, root, req.FileToGenerate); err != nil {
		return err
	}
	files, err := runPlugin(ctx, root, req)
	if err != nil {
		return err
	}
	err = os.MkdirAll(filepath.Join(out, "messages"), 0o755)
	for _, f := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(out, f.GetName()), []byte(f.GetContent()), 0o644))
	}
	return err
}

// compile returns the files' descriptors, each after those it imports.
func compile(ctx context.Context, root string, names []string) ([]*descriptorpb.FileDescriptorProto, error) {
	c := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	compiled, err := c.Compile(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	var out []*descriptorpb.FileDescriptorProto
	added := map[string]bool{}
	var add func(f protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if added[f.Path()] {
			return
		}
		added[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		out = append(out, protodesc.ToFileDescriptorProto(f))
	}
	for _, f := range compiled {
		add(f)
	}
	return out, nil
}

// runPlugin lets the module's pinned protoc-gen-go answer the request.
func runPlugin(ctx context.Context, root string, req *pluginpb.CodeGeneratorRequest) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	in, err := proto.Marshal(req)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "tool", "protoc-gen-go")
	cmd.Dir, cmd.Stdin, cmd.Stderr = root, bytes.NewReader(in), os.Stderr
	answer, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go tool protoc-gen-go: %w", err)
	}
	var resp pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(answer, &resp); err != nil {
		return nil, err
	}
	if resp.Error != nil {
		return nil, errors.New(resp.GetError())
	}
	return resp.File, nil
}
