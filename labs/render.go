package labs

import (
	"bytes"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdown renders authors' Markdown. It is safe for use by many goroutines.
var markdown = goldmark.New(
	goldmark.WithExtensions(
		extension.Table,
		// A line break between two Chinese characters is no space.
		extension.NewCJK(extension.WithEastAsianLineBreaks(extension.EastAsianLineBreaksCSS3Draft)),
	),
	goldmark.WithParserOptions(parser.WithInlineParsers(util.Prioritized(paramParser{}, 50))),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(lessonRenderer{}, 50))),
)

var (
	runTarget = regexp.MustCompile(`^(node|[a-z0-9][a-z0-9.-]*(/[a-z0-9_][a-z0-9.-]*)?)$`)
	codeLang  = regexp.MustCompile(`^[a-z0-9+-]{1,20}$`)
	objName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:-]*$`)
)

// objKinds are the kinds of live object that a term can be tied to; true when a name follows.
var objKinds = map[string]bool{
	"node": false, "pod": true, "container": true, "process": true, "ns": true, "net": true, "volume": true,
	"view": true, "terminal": true, "manifest": true,
}

// page renders one section's Markdown and says what is wrong in it.
type page struct {
	*prose
	step   *Step
	params []string        // {names} that may stand in this section
	used   map[string]bool // those that did
}

// html renders blocks.
func (p *page) html(field, source string, line int) template.HTML {
	src := []byte(source)
	doc := markdown.Parser().Parse(text.NewReader(src))
	p.inspect(doc, src, field, line)
	var out bytes.Buffer
	if err := markdown.Renderer().Render(&out, src, doc); err != nil {
		p.add(line, field, "%v", err)
	}
	return template.HTML(strings.TrimSpace(out.String())) //nolint:gosec // goldmark escapes, raw HTML is refused
}

// inline renders one line without a paragraph around it.
func (p *page) inline(field, source string, line int) template.HTML {
	out := string(p.html(field, source, line))
	inner, ok := strings.CutPrefix(out, "<p>")
	inner, end := strings.CutSuffix(inner, "</p>")
	if !ok || !end || strings.Contains(inner, "<p>") {
		if source != "" {
			p.add(line, field, "must be one line of text")
		}
		return ""
	}
	return template.HTML(inner) //nolint:gosec // from html above
}

// inspect refuses what a lesson may not hold.
func (p *page) inspect(doc ast.Node, src []byte, field string, first int) {
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the walker returns no error
		if !entering {
			return ast.WalkContinue, nil
		}
		if fault := p.fault(n, src); fault != "" {
			p.add(first+lineOf(n, src), field, "%s", fault)
		}
		return ast.WalkContinue, nil
	})
}

func (p *page) fault(n ast.Node, src []byte) string {
	switch n := n.(type) {
	case *ast.RawHTML, *ast.HTMLBlock:
		return "HTML is not allowed"
	case *ast.Image:
		return "images are not allowed"
	case *ast.Heading:
		if n.Level < 4 {
			return "headings inside a section begin at level 4"
		}
	case *ast.Text:
		if strings.Contains(string(n.Segment.Value(src)), "**") {
			return "** is left as it is: in Chinese, move punctuation out of the bold text"
		}
	case *ast.Link:
		return p.linkFault(string(n.Destination))
	case *ast.AutoLink:
		return p.linkFault(string(n.URL(src)))
	case *ast.FencedCodeBlock:
		return codeFault(infoOf(n, src))
	case *param:
		return p.paramFault(n.name)
	}
	return ""
}

func (p *page) paramFault(name string) string {
	if p.params == nil {
		return ""
	}
	if !slices.Contains(p.params, name) {
		return "{" + name + "} is not declared in lab.yaml"
	}
	p.used[name] = true
	return ""
}

func (p *page) linkFault(to string) string {
	if strings.HasPrefix(to, "https://") {
		return ""
	}
	obj, ok := strings.CutPrefix(to, "obj:")
	if !ok {
		return fmt.Sprintf("link to %q: only https:// and obj:", to)
	}
	kind, name, _ := strings.Cut(obj, ":")
	named, known := objKinds[kind]
	switch {
	case !known:
		return fmt.Sprintf("obj:%s: %q is no kind of object", obj, kind)
	case named && !objName.MatchString(name), !named && name != "":
		return fmt.Sprintf("obj:%s: the name is malformed", obj)
	case kind == "view" && !slices.Contains(ViewNames, name):
		return fmt.Sprintf("obj:%s: there is no such view", obj)
	case kind == "manifest" && !slices.ContainsFunc(p.step.Manifests, func(m Manifest) bool { return m.File == name }):
		return fmt.Sprintf("obj:%s: the step has no such manifest", obj)
	}
	return ""
}

func codeFault(info string) string {
	target, run := strings.CutPrefix(info, "run ")
	switch {
	case run && !runTarget.MatchString(target):
		return fmt.Sprintf("run %q: must be node or a container's id", target)
	case info == "run":
		return "run names its terminal: run node"
	case !run && info != "" && !codeLang.MatchString(info):
		return fmt.Sprintf("%q is no language of a code block", info)
	}
	return ""
}

func infoOf(n *ast.FencedCodeBlock, src []byte) string {
	if n.Info == nil {
		return ""
	}
	return strings.TrimSpace(string(n.Info.Segment.Value(src)))
}

// lineOf returns how many lines before n begins, or its nearest part that knows.
func lineOf(n ast.Node, src []byte) int {
	switch n := n.(type) {
	case *ast.Text:
		return bytes.Count(src[:n.Segment.Start], []byte("\n"))
	case *ast.FencedCodeBlock:
		if n.Info != nil {
			return bytes.Count(src[:n.Info.Segment.Start], []byte("\n"))
		}
	}
	if n.Type() == ast.TypeBlock && n.Lines() != nil && n.Lines().Len() > 0 {
		return bytes.Count(src[:n.Lines().At(0).Start], []byte("\n"))
	}
	if first := n.FirstChild(); first != nil {
		return lineOf(first, src)
	}
	if parent := n.Parent(); parent != nil && parent.Type() == ast.TypeBlock && parent.Lines() != nil && parent.Lines().Len() > 0 {
		return bytes.Count(src[:parent.Lines().At(0).Start], []byte("\n"))
	}
	return 0
}

// param is {name} in a text.
type param struct {
	ast.BaseInline
	name string
}

var kindParam = ast.NewNodeKind("Param")

func (*param) Kind() ast.NodeKind { return kindParam }

func (p *param) Dump(src []byte, level int) {
	ast.DumpHelper(p, src, level, map[string]string{"Name": p.name}, nil)
}

// paramParser reads {name}.
type paramParser struct{}

func (paramParser) Trigger() []byte { return []byte{'{'} }

var paramText = regexp.MustCompile(`^\{([a-z][a-zA-Z0-9]*)\}`)

func (paramParser) Parse(_ ast.Node, block text.Reader, _ parser.Context) ast.Node {
	line, _ := block.PeekLine()
	m := paramText.FindSubmatch(line)
	if m == nil {
		return nil
	}
	block.Advance(len(m[0]))
	return &param{name: string(m[1])}
}

// lessonRenderer writes what content/README.md promises to whoever styles it.
type lessonRenderer struct{}

func (lessonRenderer) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(kindParam, renderParam)
	r.Register(ast.KindLink, renderLink)
	r.Register(ast.KindFencedCodeBlock, renderCode)
	r.Register(extast.KindTable, renderTable)
}

func renderParam(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		fmt.Fprintf(w, `<output data-param="%s"></output>`, n.(*param).name)
	}
	return ast.WalkContinue, nil
}

func renderLink(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	to := n.(*ast.Link).Destination
	obj, isObj := bytes.CutPrefix(to, []byte("obj:"))
	switch {
	case isObj && entering:
		fmt.Fprintf(w, `<span class="obj" data-obj="%s" tabindex="0">`, util.EscapeHTML(obj))
	case isObj:
		_, _ = w.WriteString("</span>") // a BufWriter over a bytes.Buffer does not fail; so below
	case entering:
		fmt.Fprintf(w, `<a href="%s" rel="noreferrer" target="_blank">`, util.EscapeHTML(util.URLEscape(to, true)))
	default:
		_, _ = w.WriteString("</a>")
	}
	return ast.WalkContinue, nil
}

func renderCode(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	code := n.(*ast.FencedCodeBlock)
	target, run := strings.CutPrefix(infoOf(code, src), "run ")
	switch {
	case entering && run:
		fmt.Fprintf(w, `<div class="run" data-run="%s"><pre><code>`, util.EscapeHTML([]byte(target)))
	case entering:
		fmt.Fprintf(w, `<pre class="code" data-lang="%s"><code>`, util.EscapeHTML([]byte(target)))
	case run:
		_, _ = w.WriteString("</code></pre></div>\n")
	default:
		_, _ = w.WriteString("</code></pre>\n")
	}
	if entering {
		for i := range code.Lines().Len() {
			at := code.Lines().At(i)
			line := at.Value(src)
			if i == code.Lines().Len()-1 {
				line = bytes.TrimRight(line, "\n")
			}
			html.DefaultWriter.RawWrite(w, line)
		}
	}
	return ast.WalkContinue, nil
}

func renderTable(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		_, _ = w.WriteString(`<div class="table"><table>` + "\n")
	} else {
		_, _ = w.WriteString("</table></div>\n")
	}
	return ast.WalkContinue, nil
}
