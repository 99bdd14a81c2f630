package main

import (
	"html/template"

	"podlab/labs"
	"podlab/web"
)

// words holds the sample lesson in both languages: the mock-up's.
var words = map[string]map[string]template.HTML{
	"en": {
		"title": "Who shares which namespace?", "lab": "Namespaces", "module": "Containers vs pods",
		"know": `<p>Two containers started separately each get <span class="obj" data-obj="ns:net:web" tabindex="0">their own network namespace</span>, so <code>localhost</code> in one is not <code>localhost</code> in the other.</p>`,
		"q":    "In the pod, which network namespace is <code>web</code> in?",
		"same": "The one of pause", "other": "One of its own",
		"predict": `<p><code>web</code> is in <output data-param="web"></output>, pause in <output data-param="pause"></output>: one number, one namespace.</p>`,
		"do":      `<div class="run" data-run="web"><pre><code>readlink /proc/self/ns/net</code></pre></div>`,
		"note":    `<p>In a pod the <span class="obj" data-obj="container:demo/_infra" tabindex="0"><strong>pause</strong> process</span> holds net, ipc and uts, and both containers join them. Blocks that are <strong>joined together</strong> on the right are one namespace.</p>`,
		"c1":      "Read the net inode in both pod containers", "c2": "Reach redis over localhost inside the pod", "c3": "Make the hostname change in both containers",
		"found": `<p>The hostname is <output data-param="web"></output> in web and <output data-param="cache"></output> in cache.</p>`,
		"why":   "<p>A namespace lives as long as a process is in it. pause never ends, so what it holds stays.</p>",
		"reach": "<p>You just saw two containers in one network namespace.</p>",
		"m1":    "What a container is", "m2": "Why pods", "m3": "How a pod works", "l1": "A process, walled in", "l2": "Who holds a pod’s network when every container of it is gone?", "l3": "One directory, two containers, no copying.",
	},
	"zh": {
		"title": "谁与谁共享命名空间？", "lab": "命名空间", "module": "容器与 Pod",
		"know": `<p>分别启动的两个容器各有<span class="obj" data-obj="ns:net:web" tabindex="0">自己的网络命名空间</span>，因此一个容器里的 <code>localhost</code> 并不是另一个容器里的 <code>localhost</code>。</p>`,
		"q":    "在 Pod 里，<code>web</code> 位于哪个网络命名空间？",
		"same": "pause 的那个", "other": "它自己的",
		"predict": `<p><code>web</code> 在 <output data-param="web"></output>，pause 在 <output data-param="pause"></output>：数字相同，就是同一个命名空间。</p>`,
		"do":      `<div class="run" data-run="web"><pre><code>readlink /proc/self/ns/net</code></pre></div>`,
		"note":    `<p>在 Pod 中，<span class="obj" data-obj="container:demo/_infra" tabindex="0"><strong>pause</strong> 进程</span>持有 net、ipc 和 uts，两个容器都加入其中。右侧<strong>连成一块</strong>的就是同一个命名空间。</p>`,
		"c1":      "读取 Pod 内两个容器的 net inode", "c2": "在 Pod 内通过 localhost 访问 redis", "c3": "让两个容器的主机名同时改变",
		"found": `<p>主机名在 web 中是 <output data-param="web"></output>，在 cache 中是 <output data-param="cache"></output>。</p>`,
		"why":   "<p>只要还有进程在命名空间里，命名空间就存在。pause 从不结束，所以它持有的一切都会保留。</p>",
		"reach": "<p>你刚刚看到两个容器处于同一个网络命名空间。</p>",
		"m1":    "容器是什么", "m2": "为什么需要 Pod", "m3": "Pod 如何工作", "l1": "进程，加上围墙", "l2": "当所有容器都不在了，是谁持有 Pod 的网络？", "l3": "一个目录，两个容器，无需复制。",
	},
}

// sample is the lesson of the mock-up, at one of its nine steps.
func sample(lang, step string) web.Lesson {
	w := words[lang]
	l := web.Lesson{
		Lang: lang, Lab: "sample", LabTitle: string(w["lab"]), Module: string(w["module"]), Step: step, Title: string(w["title"]), Minutes: 6, Solution: true,
		Views: []string{"namespaces", "processes"}, Compare: labs.Compare{Left: []string{"web", "cache"}, Right: "demo"}, Terminals: []string{"web", "demo/web"},
		Files: []string{"two-containers.yaml"},
		Blocks: []labs.Block{
			{Kind: labs.BlockKnow, HTML: w["know"]},
			{Kind: labs.BlockPrediction, ID: "after-join", Title: w["q"], Prediction: &labs.PredictionText{
				Options: []labs.OptionText{{ID: "same", Label: w["same"]}, {ID: "other", Label: w["other"]}}, Why: w["predict"]}},
			{Kind: labs.BlockDo, HTML: w["do"]},
			{Kind: labs.BlockNote, HTML: w["note"]},
			{Kind: labs.BlockReached, ID: "joined", HTML: w["reach"]},
			{Kind: labs.BlockCheck, ID: "inodes", Title: w["c1"], Check: &labs.CheckText{}},
			{Kind: labs.BlockCheck, ID: "localhost", Title: w["c2"], Check: &labs.CheckText{}},
			{Kind: labs.BlockCheck, ID: "hostname", Title: w["c3"], Check: &labs.CheckText{Found: w["found"], Hints: []template.HTML{"1", "2"}}},
			{Kind: labs.BlockWhy, HTML: w["why"]},
		},
	}
	for _, id := range []string{"start", "look", "join", "share", "localhost", "hostname", "kill", "pause", "end"} {
		l.Steps = append(l.Steps, web.StepLink{ID: id, Title: string(w["title"]), Done: id == "start" || id == "look" || id == "join"})
	}
	return l
}

func modules(lang string) []web.Module {
	w := words[lang]
	soon := func(number string, title template.HTML) web.LabCard {
		return web.LabCard{Number: number, Title: string(title)}
	}
	return []web.Module{
		{ID: "1", Title: string(w["m1"]), Labs: []web.LabCard{soon("1.1", w["l1"]), soon("1.2", w["l1"]), soon("1.3", w["l1"])}},
		{ID: "3", Title: string(w["m3"]), Labs: []web.LabCard{
			{ID: "sample", Number: "3.1", Title: string(w["lab"]), Summary: string(w["l2"]), Minutes: 25, Steps: 6, Done: 3}, soon("3.2", w["l1"]),
			{ID: "sample", Number: "3.3", Title: string(w["module"]), Summary: string(w["l3"]), Minutes: 20, Steps: 5},
		}},
	}
}

const manifest = `apiVersion: v1
kind: Pod
metadata:
  name: two-containers
spec:
  restartPolicy: Never
  volumes:
    - name: shard-data
      hostPath:
        path: /data
  containers:
    - name: nginx-container
      image: nginx
      volumeMounts:
        - name: shared-data
          mountPath: /usr/share/nginx/html
    - name: debian-container
      image: debian
      command: ["/bin/sh"]
      args: ["-c", "echo hello from the debian container > /pod-data/index.html"]
`
