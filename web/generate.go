package web

//go:generate go run github.com/a-h/templ/cmd/templ@v0.3.977 generate
//go:generate go run ./types
//go:generate go run ./build
