package main

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/image/dockerfile"
)

// words are the sentences of one language; %s stand for what varies, in order.
type words map[string]string

var english = words{
	"usage":         "usage: %s",
	"step":          "Step %s/%s : %s",
	"built":         "%s is built: %s",
	"pushed":        "%s is in the registry: %s",
	"line":          "line %s: %s",
	"exit":          "the command ended with exit code %s",
	"layers":        "an image can have %s layers. One RUN may hold several commands: a && b",
	"full":          "there is no room on the node's disk: remove images (container rmi) or files",
	"unknown_image": "there is no image %q here. There are: %s",
	"buildable":     "there is no image %q here. The operator can make it: scripts/images %s",
	"denied":        "this image is Podlab's own",
	"name":          "%q is no name for an image: lower-case letters, digits and . _ - /, with :TAG",
	"head":          "NAME\tIMAGE ID\tLAYERS\tSIZE\tSHARED",
	"total":         "%s on the disk: each layer counted once",

	"file.unknown":     "%s is not supported here. Supported: FROM, WORKDIR, COPY, RUN, CMD, ENV",
	"file.no_from":     "%s before FROM: a build file begins with FROM",
	"file.second_from": "a second FROM (%s): only one is supported",
	"file.arguments":   "%s has too few or too many arguments",
	"file.form":        "the arguments of %s cannot be read",
	"file.flag":        "the option %s is not supported",
	"file.too_long":    "the build file is too long%s",
	"file.empty":       "the build file is empty%s",
}

var chinese = words{
	"usage":         "用法：%s",
	"step":          "步骤 %s/%s：%s",
	"built":         "%s 已构建：%s",
	"pushed":        "%s 已推送到镜像仓库：%s",
	"line":          "第 %s 行：%s",
	"exit":          "命令以退出码 %s 结束",
	"layers":        "一个镜像最多有 %s 层。一条 RUN 可以写多个命令：a && b",
	"full":          "节点的磁盘已满：请删除镜像（container rmi）或文件",
	"unknown_image": "这里没有镜像“%s”。现有镜像：%s",
	"buildable":     "这里没有镜像“%s”。管理员可以构建它：scripts/images %s",
	"denied":        "这是 Podlab 自用的镜像",
	"name":          "“%s”不能作为镜像名：只能用小写字母、数字和 . _ - /，后面可加 :标签",
	"head":          "NAME\tIMAGE ID\tLAYERS\tSIZE\tSHARED", // as kubectl and docker: columns of two-cell letters would not stand over theirs
	"total":         "磁盘占用 %s：每一层只计一次",

	"file.unknown":     "这里不支持 %s。支持的指令：FROM、WORKDIR、COPY、RUN、CMD、ENV",
	"file.no_from":     "%s 出现在 FROM 之前：构建文件必须以 FROM 开头",
	"file.second_from": "出现第二个 FROM（%s）：只支持一个",
	"file.arguments":   "%s 的参数太少或太多",
	"file.form":        "无法识别 %s 的参数",
	"file.flag":        "不支持选项 %s",
	"file.too_long":    "构建文件太长%s",
	"file.empty":       "构建文件是空的%s",
}

func wordsFor(lang string) words {
	if strings.HasPrefix(lang, "zh") {
		return chinese
	}
	return english
}

func (w words) say(key string, params ...string) string {
	values := make([]any, len(params))
	for i, p := range params {
		values[i] = p
	}
	return fmt.Sprintf(w[key], values...)
}

// problem puts an error into words.
func (w words) problem(err error) string {
	if in, ok := errors.AsType[*stepError](err); ok {
		return w.say("line", strconv.Itoa(in.line), w.problem(in.err))
	}
	if in, ok := errors.AsType[*dockerfile.Error](err); ok {
		return w.say("line", strconv.Itoa(in.Line), w.say("file."+in.Reason, in.What))
	}
	if in, ok := errors.AsType[*nameError](err); ok {
		return w.say("name", in.name)
	}
	switch {
	case errors.Is(err, errLayers):
		return w.say("layers", strconv.Itoa(image.MaxLayers))
	case errors.Is(err, unix.ENOSPC):
		return w.say("full")
	case errors.Is(err, errExit):
		return w.say("exit", strings.TrimPrefix(err.Error(), errExit.Error()+" "))
	}
	if e, ok := errors.AsType[*sandbox.Error](err); ok {
		switch {
		case e.Code == sandbox.CodeUnknownImage && e.Params["buildable"] != "":
			return w.say("buildable", e.Params["image"], e.Params["buildable"])
		case e.Code == sandbox.CodeUnknownImage:
			return w.say("unknown_image", e.Params["image"], e.Params["known"])
		case e.Code == sandbox.CodeDenied:
			return w.say("denied")
		}
	}
	return err.Error()
}

// validName is a reference as the OCI distribution specification has it, without a digest: HOST[:PORT]/NAME[:TAG].
var validName = regexp.MustCompile(`^([a-z0-9.-]+(:[0-9]{1,5})?/)?` +
	`[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$`)

type nameError struct{ name string }

func (e *nameError) Error() string { return "no name: " + e.name }

// checkName returns an image's name as the index has it. Names below podlab/ are not a learner's.
func checkName(name string) (string, error) {
	called := image.Familiar(name)
	if len(called) > 255 || !validName.MatchString(called) || path.Dir(called) == "podlab" {
		return "", &nameError{name}
	}
	return called, nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.2f MB", float64(n)/1e6) }

// list prints the images, with the bytes that each shares with others, and what they take together.
func (p *program) list(reader *image.Store) error {
	table := tabwriter.NewWriter(p.out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, p.words.say("head"))
	seen, total := map[string]bool{}, int64(0)
	for _, img := range reader.List() {
		if img.Internal {
			continue
		}
		shared := int64(0)
		for _, l := range img.Layers {
			if len(reader.On(l.Digest)) > 1 {
				shared += l.Bytes
			}
			if !seen[l.Digest] {
				seen[l.Digest], total = true, total+l.Bytes
			}
		}
		id := strings.TrimPrefix(img.Digest, "sha256:")
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\n", img.Name, id[:min(12, len(id))], len(img.Layers), megabytes(img.Size), megabytes(shared))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(p.out, p.words.say("total", megabytes(total)))
	return nil
}
