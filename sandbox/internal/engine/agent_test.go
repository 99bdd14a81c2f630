package engine

func agentMain() int { return 1 }
