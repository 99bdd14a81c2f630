package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// unbounded are the places where fzstd 0.1.1 does as much as its input says, for minutes or without end, and what stands there instead: a
// recording that is unpacked is anybody's file.
var unbounded = []struct{ what, instead string }{
	{ // a match of 128 KiB behind the block's end, up to 98,303 times in a block
		"for (var i = 0; i < ll; ++i) {",
		"if (ll + ml > buf.length - oubt)\n                    err(0);\n                for (var i = 0; i < ll; ++i) {",
	},
	{ // weights of Huffman codes from a table whose states take no bits
		"if (fpos < epos)\n                break;\n            var cbt = fpos >> 3;",
		"if (fpos < epos || wc > 255)\n                break;\n            var cbt = fpos >> 3;",
	},
	{ // bytes of a window, all of which are moved for each block
		"if (ws > 2145386496)",
		"if (!(ws >= 0 && ws <= 8388608))",
	},
}

// fzstdPlugin gives the unpacker of recordings the bounds that it lacks.
func fzstdPlugin() api.Plugin {
	return api.Plugin{Name: "fzstd", Setup: func(b api.PluginBuild) {
		b.OnLoad(api.OnLoadOptions{Filter: `/fzstd/esm/index\.mjs$`}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			raw, err := os.ReadFile(a.Path)
			if err != nil {
				return api.OnLoadResult{}, err
			}
			code := string(raw)
			for _, place := range unbounded {
				if n := strings.Count(code, place.what); n != 1 {
					return api.OnLoadResult{}, fmt.Errorf("%q is there %d times: look whether this fzstd is bounded", place.what, n)
				}
				code = strings.Replace(code, place.what, place.instead, 1)
			}
			return api.OnLoadResult{Contents: &code, Loader: api.LoaderJS}, nil
		})
	}}
}
