package store

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// numeric turns an image's USER, NAME or UID with or without :GROUP or :GID, into numbers, by the image's own /etc/passwd and
// /etc/group (passwd(5), group(5)). A user without a group has the one of /etc/passwd.
func numeric(user string, read func(file string) []byte) (string, error) {
	if user == "" {
		return "", nil
	}
	who, group, hasGroup := strings.Cut(user, ":")
	uid, gid := who, "0"
	entry := lookup(read("etc/passwd"), who, 4)
	if entry != nil {
		uid, gid = entry[2], entry[3]
	}
	if hasGroup {
		gid = group
		if entry := lookup(read("etc/group"), group, 3); entry != nil {
			gid = entry[2]
		}
	}
	for _, id := range []string{uid, gid} {
		if n, err := strconv.ParseUint(id, 10, 32); err != nil || n > 65535 {
			return "", fmt.Errorf("its user is %.80q, which is nobody in it", user)
		}
	}
	return uid + ":" + gid, nil
}

// lookup finds the line whose first field, or third, is key. It has at least that many fields.
func lookup(file []byte, key string, fields int) []string {
	lines := bufio.NewScanner(bytes.NewReader(file))
	for lines.Scan() {
		f := strings.Split(lines.Text(), ":")
		if len(f) >= fields && (f[0] == key || f[2] == key) {
			return f
		}
	}
	return nil
}
