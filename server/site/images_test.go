package site

import (
	"strings"
	"testing"

	"podlab/content"
	"podlab/labs"
)

// A lab whose image has not been made on this machine says so on its pages, with the command that makes it.
func TestAbsentImage(t *testing.T) {
	h := open(t, Limits{})
	course, err := labs.Load(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	lab := course.Labs()[0]
	v := h.come()
	for lang, says := range map[string]string{"en": "An image is missing on this machine", "zh": "本机缺少镜像"} {
		path := "/" + lang + "/l/" + lab.ID + "/" + lab.Steps[0].ID
		h.nodes.Absent = []string{"tomcat"}
		if _, body, _ := v.get(path); strings.Contains(body, says) {
			t.Errorf("%s: an image that the lab does not use is missed", path)
		}
		h.nodes.Absent = []string{"tomcat", lab.Images[0]}
		if status, body, _ := v.get(path); status != 200 || !strings.Contains(body, says) || !strings.Contains(body, "sudo ./scripts/images "+lab.Images[0]+"<") {
			t.Errorf("%s: %d, and nothing of the image %s", path, status, lab.Images[0])
		}
	}
}
