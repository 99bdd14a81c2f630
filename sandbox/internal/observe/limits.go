package observe

import "time"

// Limits of one snapshot. A list that is cut at its limit is named in Snapshot.Truncated. Together they keep a snapshot of a node
// whose learner does their worst below wire.MaxJSON, even
// when each character takes six bytes (\u003c).
const (
	maxProcesses    = 2000 // the node's pids limit is usually far below
	maxThreads      = 64   // of one process
	maxAllThreads   = 2000
	maxArgsBytes    = 1 << 10
	maxArgs         = 64
	maxAllArgsBytes = 128 << 10 // of all processes
	maxNetworks     = 32
	maxInterfaces   = 64 // of one namespace
	maxAddresses    = 16 // of one interface
	maxRoutes       = 64
	maxSockets      = 512 // of all namespaces
	maxSocketPIDs   = 16  // holders of one socket
	maxFDs          = 256 // descriptors of one process that are looked at
	maxVolumes      = 64
	maxFiles        = 64        // entries listed below one volume
	maxAllPathBytes = 128 << 10 // paths of files of all volumes
	maxPath         = 512
	maxFilesDepth   = 4    // levels of directories below a volume
	maxSizeDepth    = 64   // levels walked for a size
	maxDirEntries   = 1024 // names read of one directory
	maxCounted      = 4096 // entries counted for the size of a volume or a layer
	maxContainers   = 256
	maxLayers       = 33  // an image has at most 32 (image.MaxLayers), and a container one more
	maxMounts       = 32  // of one container
	maxChanges      = 64  // in one container's writable layer
	maxUpperDirs    = 128 // directories of one writable layer that are looked into
	maxUses         = 16  // images named for one layer
	maxIPCObjects   = 256
	maxIPCSpaces    = 32
	maxTerminals    = 64
	maxName         = 255 // bytes of a file name, a socket's path is cut there too
	maxShortName    = 64  // bytes of a process, thread or interface name
	maxFileOfProc   = 64 << 10
	maxNetlinkBytes = 1 << 20 // answer to one netlink dump
)

// How old what is read less often may be.
const (
	staleProcess = 500 * time.Millisecond // arguments, uid, namespaces and cgroup of a process that did not exec; threads
	youngProcess = time.Second            // a process this young is read anew each time: it is still being set up
	staleLimits  = time.Second            // cgroup limits
	staleSize    = 2 * time.Second        // sizes that need a walk
	staleUpper   = 500 * time.Millisecond // what a writable layer changes
	staleBigSize = 15 * time.Second       // the same where the walk reached maxCounted
)
