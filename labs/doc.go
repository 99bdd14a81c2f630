// Package labs is the lessons engine: it reads the course (Load), runs learners' sessions (Sessions), judges what the kernel did
// (attempt; package expr), and proves labs on real nodes (Prove). It knows the sandbox by its contract only and needs no root.
//
// Who owns what:
//
//	Sessions      all goroutines; they end in Close. Nodes live on, and the next Open finds them by the records in the Store.
//	├ learner     one lock for all that is known of a learner; in memory while a page looks or a session lives
//	│ ├ session   a learner in one lab; goroutines run (one node after the other), clock (time), saver (store)
//	│ │ └ follow  one node: watch (agent, kernel, merge), prepare (the step's start), probe (exec and http checks)
//	│ │   └ attempt one run of one step, without goroutine or clock: shown snapshots and moments, it says what was reached
//	│ ├ Tape      a recording that is being made: all states that were judged; Judge looks at them again
//	│ └ Subscription  one page: whole snapshots, the newest wins; every moment, by a cursor into the session's log
//	└ warm.Pool   nodes made ahead, until a session takes one: goroutine Run
//
// Locks are taken in the order learner.mu, that of the pool, Sessions.mu; the queue's lock is held over nothing else.
//
// Files, by what they are about:
//
//	the course      load, and what reads a lab's folder: labyaml (the shape of lab.yaml), labfile, fieldfile, actionfile, sections, prose,
//	                render, text, images; problem: mistakes by file and line; lab, course: what was read; scaffold: a new lab
//	a session       sessions, requests (what a learner asks for), acquire, learner, session, queue, ahead, node, stepstart, rest, using;
//	                record, store, memory: what outlives the server; clock, retry
//	what is seen    watch, merger, momentlog; subscription, frame: what pages are told; position: how far
//	what is judged  attempt, probe; tape, judge: of a recording
//	what is done    actions, apart; prove: a lab on real nodes
//
// What comes out of a node is hostile: snapshots are bounded by the wire, expressions and their values by package expr, probes by
// time and size, moments by maxLog.
package labs
