package main

import (
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
)

// screens are what the mock-up's terminals show.
var screens = map[string]string{
	"web":      "\x1b[32mroot@web\x1b[0m:\x1b[34m/\x1b[0m# curl -s localhost:6379 -m 1\r\n\x1b[31mcurl: (7) Failed to connect to localhost port 6379\x1b[0m\r\n\x1b[32mroot@web\x1b[0m:\x1b[34m/\x1b[0m# readlink /proc/self/ns/net\r\n\x1b[33mnet:[4026532281]\x1b[0m\r\n",
	"demo/web": "\x1b[32mroot@demo\x1b[0m:\x1b[34m/\x1b[0m# redis-cli -h localhost ping\r\nPONG\r\n\x1b[32mroot@demo\x1b[0m:\x1b[34m/\x1b[0m# readlink /proc/self/ns/net\r\n\x1b[33mnet:[4026532412]\x1b[0m   \x1b[90m# same inode in \"cache\"\x1b[0m\r\n",
}

// terminal plays a shell that says what was typed. The replay asks the terminal for its attributes, as full-screen programs do: an
// answer that came back would be seen as typed.
func terminal(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	target := r.URL.Query().Get("target")
	host := strings.Split(target, "/")[0]
	prompt := "\x1b[32mroot@" + host + "\x1b[0m:\x1b[34m/\x1b[0m# "
	replay := []byte(screens[target] + "\x1b[c" + prompt)
	if conn.WriteJSON(map[string]int{"replay": len(replay), "generation": 1}) != nil || conn.WriteMessage(websocket.BinaryMessage, replay) != nil {
		return
	}
	line := ""
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if kind != websocket.BinaryMessage {
			continue
		}
		if answer(conn, &line, data, prompt) != nil {
			return
		}
	}
}

func answer(conn *websocket.Conn, line *string, data []byte, prompt string) error {
	var out strings.Builder
	for _, c := range string(data) {
		switch {
		case c == '\r' && *line == "exit":
			return conn.WriteJSON(map[string]any{"exit": map[string]int{"code": 0}})
		case c == '\r':
			out.WriteString("\r\nyou typed: " + *line + "\r\n" + prompt)
			*line = ""
		case c == 0x7f && *line != "":
			*line = (*line)[:len(*line)-1]
			out.WriteString("\b \b")
		case c >= ' ' && c != 0x7f:
			*line += string(c)
			out.WriteRune(c)
		case c == 0x1b:
			*line += "^["
			out.WriteString("^[")
		}
	}
	return conn.WriteMessage(websocket.BinaryMessage, []byte(out.String()))
}
