// Package sandbox is the vocabulary that everything else in Podlab shares: what a learner's node is, what can be asked of it,
// and what was observed on it. It holds types, two small client interfaces and their socket clients; it imports the standard
// library only, builds everywhere, and knows nothing of how a node is made.
//
// Two programs answer: the root daemon (sandbox/sandboxd) makes and removes nodes and reports what the kernel did in them;
// the agent inside each node (sandbox/node) makes pods and reports what it sees. Both speak the protocol of sandbox/wire.
//
// Everything that comes out of a node is untrusted: a learner with a privileged pod is root of their node and may answer in
// the agent's place. Clients bound every read; readers validate before they believe.
package sandbox
