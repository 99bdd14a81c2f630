package cli

// doctorChinese has the doctor's sentences by their English formats; %s and %d stand in the same order.
var doctorChinese = map[string]string{
	"%s: overlay takes idmapped layers":                            "%s：overlay 支持 ID 映射的层",
	"%s is too old: overlay takes idmapped layers from 5.19 on":    "%s 太旧：overlay 从 5.19 起才支持 ID 映射的层",
	"a kernel 5.19 or newer: Debian 12, Ubuntu 24.04":              "换用 5.19 或更新的内核：Debian 12、Ubuntu 24.04",
	"the kernel has none":                                          "内核没有用户命名空间",
	"a kernel with CONFIG_USER_NS, as Debian's and Ubuntu's":       "换用带 CONFIG_USER_NS 的内核，Debian 和 Ubuntu 的都有",
	"user.max_user_namespaces is 0: none may be made":              "user.max_user_namespaces 为 0：一个也不能创建",
	"at most %d: so many learners and no more":                     "最多 %d 个：只能容纳这么多学习者",
	"one for each learner":                                         "每个学习者一个",
	"does not restrict user namespaces":                            "不限制用户命名空间",
	"layered roots of containers":                                  "容器的分层根文件系统",
	"the kernel does not know the file system overlay":             "内核没有 overlay 文件系统",
	"a module, which the kernel loads when the first root is made": "是一个模块，创建第一个根文件系统时内核会加载它",
	"a limited disk for each node":                                 "每个节点一块大小受限的磁盘",
	"there is no /dev/loop-control":                                "没有 /dev/loop-control",
	"nothing is mounted at /sys/fs/cgroup":                         "/sys/fs/cgroup 上没有挂载任何东西",
	"no controller %s":                                             "缺少控制器 %s",
	"/sys/fs/cgroup is mounted read-only":                          "/sys/fs/cgroup 以只读方式挂载",
	"version 2, with %s":                                           "v2，控制器：%s",
	"version 1, with %s":                                           "v1，控制器：%s",
	"filters of system calls":                                      "可以过滤系统调用",
	"the kernel cannot filter system calls":                        "内核不能过滤系统调用",
	"a kernel with CONFIG_DEBUG_INFO_BTF, as Debian's":             "换用带 CONFIG_DEBUG_INFO_BTF 的内核，Debian 的就有",
	"the kernel is locked down: no program may read its events":    "内核处于锁定状态：任何程序都不能读取它的事件",
	"boot without lockdown=confidentiality":                        "启动内核时去掉 lockdown=confidentiality",
	"every fork, exec and exit as it happens":                      "每次 fork、exec 和 exit 发生时即可看到",
	"formats nodes' disks":                                         "格式化节点的磁盘",
	"there is no such program: nodes' disks cannot be formatted":   "没有这个程序：节点的磁盘无法格式化",
	"this is %s, and it leaves root its rights":                    "运行在 %s 中，root 的权能齐全",
	"this is %s, and it takes %s from root":                        "运行在 %s 中，root 缺少 %s",
	"unknown":                                                      "未知",
	"1 GiB free serves a small class":                              "有 1 GiB 可用内存就够一个小班使用",
	"%d MiB free":                                                  "可用 %d MiB",
	"%d MiB free at %s":                                            "可用 %d MiB，位于 %s",
	"2 GiB hold the images and a small class":                      "2 GiB 可以放下镜像和一个小班的节点",
	"it gives no answer: %s":                                       "没有应答：%s",
	"start it: sudo ./scripts/run":                                 "启动它：sudo ./scripts/run",
	"you may not ask it: its socket is for root and group podlab":  "无权访问：它的套接字只对 root 和 podlab 组开放",
	"use sudo":               "请用 sudo 运行",
	"%d of %d checks failed": "%d 项检查未通过，共 %d 项",
	"the root daemon does not run here, or --run names another directory": "root 守护进程没有在这里运行，或者 --run 指向了别的目录",
	"answers; %d of %d nodes":                                                       "正常应答；节点 %d 个，上限 %d 个",
	"by eBPF: every fork, exec and exit":                                            "通过 eBPF：每次 fork、exec 和 exit",
	"by the kernel's proc connector":                                                "通过内核的 proc connector",
	"by looking again and again: short-lived processes may be missed":               "通过轮询：可能漏掉寿命极短的进程",
	"nodes' disks cannot be mounted: the kernel has no file system ext4":            "节点的磁盘无法挂载：内核没有 ext4 文件系统",
	"nodes' disks cannot be limited: there are no loop devices":                     "无法限制节点磁盘的大小：没有 loop 设备",
	"a node's memory cannot be limited: control groups lack the controller":         "无法限制节点的内存：控制组缺少这个控制器",
	"a node's processes cannot be limited: control groups lack the controller":      "无法限制节点的进程数：控制组缺少这个控制器",
	"a node's processor time cannot be limited: control groups lack the controller": "无法限制节点的 CPU 时间：控制组缺少这个控制器",
	"the kernel made no user namespace when the daemon asked for one":               "守护进程请求创建用户命名空间，内核没有创建",

	"boot without %s; a Raspberry Pi: with %s at the end of its cmdline.txt": "启动内核时去掉 %s；树莓派则在 cmdline.txt 末尾加上 %s",

	"give the container the host's groups (docker run --privileged)": "把宿主机的控制组交给容器（docker run --privileged）",

	"a kernel that has it, as Debian's and Ubuntu's; where the boot loader leaves it off, boot with %s": "换用带这个控制器的内核，Debian 和 Ubuntu 的都有；若是引导程序没有启用它，启动内核时加上 %s",

	"one for each learner; kernel.unprivileged_userns_clone=0 is not about the daemon: leave it": "每个学习者一个；kernel.unprivileged_userns_clone=0 不影响守护进程：保持不变",

	"%s, then start Podlab again: it looks at its start": "%s，然后重新启动 Podlab：它在启动时检查",

	"run the container with --privileged; LXC: lxc.mount.auto = cgroup:rw": "用 --privileged 运行容器；LXC：lxc.mount.auto = cgroup:rw",

	"a kernel with CONFIG_SECCOMP_FILTER, as Debian's and Ubuntu's": "换用带 CONFIG_SECCOMP_FILTER 的内核，Debian 和 Ubuntu 的都有",

	"a kernel with BTF and BPF, and root's CAP_BPF, give all events at once": "内核带 BTF 和 BPF，并且 root 有 CAP_BPF，就能立即得到所有事件",

	"containers' roots cannot be made of layers: the kernel has no file system overlay": "无法用镜像层叠出容器的根文件系统：内核没有 overlay 文件系统",

	"no /sys/kernel/btf/vmlinux: kernel events come slower, or by looking again and again": "没有 /sys/kernel/btf/vmlinux：内核事件会较慢，或者要靠轮询",

	"kernel events come slower, or by looking again and again: the kernel does not tell its types": "内核事件会较慢，或者要靠轮询：内核没有给出它的类型信息",

	"modprobe loop on the host, and the host's devices for the container (docker run --privileged)": "在宿主机上运行 modprobe loop，再把宿主机的设备交给容器（docker run --privileged）",

	"docker run --privileged; LXC: security.nesting=true and a privileged container": "docker run --privileged；LXC：设置 security.nesting=true，并使用特权容器",

	"the images cannot be given to nodes: no mount with other ids, by this kernel or the file system of --data": "无法把镜像交给节点：这个内核，或 --data 所在的文件系统，不支持 ID 映射挂载",

	"restricts user namespaces of programs without rights: the daemon's are not concerned, leave it on": "限制非特权程序使用用户命名空间：守护进程不受影响，保持开启即可",
}
