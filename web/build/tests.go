package main

import (
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// bundleTests makes of each unit test one script that node --test can run.
func bundleTests(out string) {
	var entries []string
	for _, pattern := range []string{"src/*.test.ts", "src/*/*.test.ts"} {
		found, err := filepath.Glob(pattern)
		must(err)
		entries = append(entries, found...)
	}
	result := api.Build(api.BuildOptions{
		EntryPoints: entries, Outdir: out, EntryNames: "[name]", Bundle: true, Write: true, Platform: api.PlatformNode, Format: api.FormatESModule,
		OutExtension: map[string]string{".js": ".mjs"}, JSX: api.JSXAutomatic, JSXImportSource: "preact", LogLevel: api.LogLevelWarning,
		Plugins: []api.Plugin{fzstdPlugin()},
	})
	if len(result.Errors) > 0 {
		os.Exit(1) // esbuild has said why
	}
}
