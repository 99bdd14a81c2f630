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

// flood is the worst that a program prints: commands with immense numbers or without end, a title, a clipboard, a link, marks upon marks.
var flood = "\x1b]0;scripted\x07\x1b]52;c;c2NyaXB0ZWQ=\x07\x1b]8;;javascript:scripted()\x07link\x1b]8;;\x07" + immense() +
	strings.Repeat("\x1b[30L\x1b[30M\x1b[30S\x1b[30T", 5_000) +
	strings.Repeat("\x1b]0;title\x07\x1b]2;title\x1b\\", 50_000) + "\x1bPq" + strings.Repeat("#0!999999999~-", 60_000) + "\x1b\\" + "\u0090q" + strings.Repeat("~", 300_000) + "\u009c" +
	"a" + strings.Repeat("\u0301", 300_000) + strings.Repeat("\u200d\ufe0f\U0001f468", 20_000) + strings.Repeat("\u202e\u2066", 50_000) +
	"\x1bP" + strings.Repeat("q#0;2;0;0;0", 40_000) + "\x1b\\\x1b]" + strings.Repeat("9", 400_000) + "\x07" +
	strings.Repeat("a\u0300\u0301\u0302", 100_000) + strings.Repeat("\x1b[2J\x1b[H\x1b[3J\r\n", 20_000) + "\x1bc"

// immense is every command with the largest number that fits 31 bits, and with one that does not.
func immense() string {
	var all strings.Builder
	for final := '@'; final <= '~'; final++ {
		for _, middle := range []string{"", " ", "'"} {
			if command := middle + string(final); command != "c" && command != "n" && command != "t" { // these ask; answers are typed
				all.WriteString("a\x1b[2147483647" + command + "\x1b[99999999999999999999" + command + "\x1b[1;2147483647" + command)
			}
		}
	}
	return all.String() + "\x1bc"
}

// prints is what some commands print.
var prints = map[string]string{
	"flood":     flood,
	"queries":   queries,
	"bracketed": "\x1b[?2004h",
	"links":     "\r\n\x1b]8;;https://elsewhere.example/real\x07https://bank.example/\x1b]8;;\x07 \x1b]8;;javascript:scripted()\x07script\x1b]8;;\x07 http://seen.example/page\r\n",
}

// queries are what a program asks of its terminal, with words of its own in them that must never come back as if typed, and resizes.
var queries = "\x1b]2;planted\x07\x1b]0;planted\x07\x1b[21t\x1b[20t\x1b[14t\x1b[18t\x1b[19t\x1bP$qplanted\x1b\\\x1bP+q706c616e746564\x1b\\\x1b]52;c;?\x07" +
	"\x1b]52;c;cGxhbnRlZA==\x07\x1b]52;p;cGxhbnRlZA==\x07\x1b]1337;Copy=:cGxhbnRlZA==\x07\x1b]9;planted\x07\x1b]777;notify;planted;planted\x07\x1b]50;?\x07\x1b]10;?\x07\x1b]4;1;?\x07" +
	"\x05\x1b[c\x1b[>c\x1b[=c\x1b[5n\x1b[6n\x1b[?6n\x1b[x\x1bZ\x1b[?2004$p\x1b[>q\x1b[?u\u009b6n\u009d52;c;cGxhbnRlZA==\u009c\u0090$qplanted\u009c\x9b6n" +
	strings.Repeat("\x1b[8;3;3t\x1b[8;200;500t\x1b[4;10;10t\x1b[3;0;0t\x1b[2t\x1b[1t\x1b[9;1t\x1b[?3h\x1b[?3l\x1b[?40h", 3000)

func answer(conn *websocket.Conn, line *string, data []byte, prompt string) error {
	var out strings.Builder
	for _, c := range string(data) {
		switch {
		case c == '\r' && prints[*line] != "":
			out.WriteString(prints[*line] + prompt)
			*line = ""
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
