# Shared by run, test and bench: what a bare Debian 12 with Go and git still needs, and how the programs are built.
# Sourced, not run. Every step prints one line with the time it took; a step whose work is done takes no time.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin" # sudo's own PATH may lack them
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"                         # a clone may belong to somebody else than root

CACHE=${PODLAB_CACHE:-/var/cache/podlab} # Debian packages, the linter: kept between runs, safe to remove

# What the programs need to be built and the nodes to be made.
PACKAGES="gcc libc6-dev libseccomp-dev pkg-config e2fsprogs iproute2 util-linux ca-certificates"

say() { printf '\033[2mpodlab\033[0m  %s\n' "$*"; }
die() { printf 'podlab  %s\n' "$*" >&2; exit 1; }

# step WORDS COMMAND...: runs the command; its output is shown if it fails, or if VERBOSE is set. A failure ends the script.
step() {
	attempt "$@"
	[ $failed = 0 ] || die "$1 failed: see above"
}

# attempt is step, but only sets failed. It must not be called in a condition: that switches off -e in the command, so that one
# which fails half-way goes on.
attempt() {
	local words=$1 begin log
	shift
	begin=$EPOCHREALTIME
	printf '\033[2mpodlab\033[0m  %-34s' "$words"
	log=$(mktemp)
	exec 9<>"$log"
	rm "$log" # Ctrl-C shall leave nothing
	set +e
	if [ -n "${VERBOSE:-}" ]; then
		echo
		(set -e; "$@") 9>&-
		failed=$?
	else
		(set -e; "$@") >&9 2>&1 9>&-
		failed=$?
	fi
	set -e
	[ $failed = 0 ] || { echo; cat /proc/self/fd/9; }
	exec 9>&-
	[ $failed != 0 ] || awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%6.1f s\n", b - a }'
}

need_root() {
	[ "$(id -u)" = 0 ] || die "this makes namespaces, mounts and control groups: run it with sudo"
}

need_go() {
	command -v go >/dev/null || die "Go is missing: https://go.dev/dl (any version from 1.21 fetches the right one by itself)"
}

# install_packages NAME...: by apt, and only those that are not there.
install_packages() {
	local missing=() name
	for name in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null)" = "ii " ] || missing+=("$name")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "not a Debian: install ${missing[*]} by hand"
	export DEBIAN_FRONTEND=noninteractive
	step "Debian: ${missing[*]}" apt_install "${missing[@]}"
}

apt_install() {
	apt-get install -y -qq --no-install-recommends "$@" || { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; }
}

# build_programs makes everything in bin/. libcontainer needs cgo; what runs inside a node must be static.
build_programs() {
	mkdir -p bin
	step "modules" go mod download
	step "podlab: server and command line" env CGO_ENABLED=0 go build -trimpath -o bin/podlab ./server
	step "podlab-sandboxd: root daemon" go build -trimpath -tags "$TAGS" -ldflags "$STATIC" -o bin/podlab-sandboxd ./sandbox/sandboxd
	step "podlab-node: node init and agent" go build -trimpath -tags "$TAGS" -ldflags "$STATIC" -o bin/podlab-node ./sandbox/node
	step "pod and container commands" env CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/pod ./sandbox/node/pod
	step "probes over TLS and gRPC" env CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/podlab-probe ./sandbox/node/probe
	step "container build, push and pull" env CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/podlab-image ./sandbox/node/image
	ln -sf pod bin/container
}
TAGS="seccomp netgo osusergo"
STATIC="-linkmode external -extldflags -static -s -w"

# install_programs DATA: where the server's user can reach them too (a clone may lie in somebody's home), and where every node
# sees them. A running program is replaced, not overwritten.
install_programs() {
	local name
	mkdir -p "$1/bin" "$1/node/bin"
	for name in podlab podlab-sandboxd podlab-images; do install -C -m 0755 "bin/$name" "$1/bin/$name"; done
	for name in podlab-node podlab-image podlab-probe pod; do install -C -m 0755 "bin/$name" "$1/node/bin/$name"; done
	ln -sfn pod "$1/node/bin/container"
}

# make_user makes the user that the server runs as.
make_user() {
	getent group podlab >/dev/null || groupadd --system podlab
	getent passwd podlab >/dev/null ||
		useradd --system --gid podlab --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin podlab
}

# make_images DATA
make_images() {
	./scripts/images --out "$1/images" --cache "$CACHE"
}

# test_packages: what tests and figures need: a browser, Chinese letters for it, the type checker, BusyBox for roots of their own. A Node.js that is there already is taken.
test_packages() {
	local names="busybox-static chromium fonts-wqy-microhei"
	command -v node >/dev/null || names="$names nodejs"
	command -v npm >/dev/null || names="$names npm"
	# shellcheck disable=SC2086
	install_packages $names
}

node_modules() { # npm ci only when the lock file changed
	local stamp=web/node_modules/.podlab-lock
	cmp -s web/package-lock.json "$stamp" && return
	npm ci --prefix web --no-audit --no-fund --ignore-scripts
	cp web/package-lock.json "$stamp"
}
