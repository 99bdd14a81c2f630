package web

import "github.com/a-h/templ"

// labURL is the address of a lab, or of one of its steps.
func labURL(lang, lab, step string) templ.SafeURL {
	url := "/" + lang + "/l/" + lab
	if step != "" {
		url += "/" + step
	}
	return templ.SafeURL(url)
}

// firstLab is where a new learner begins: the first lab there is.
func firstLab(h Home) *LabCard {
	for _, m := range h.Modules {
		for i := range m.Labs {
			if m.Labs[i].ID != "" {
				return &m.Labs[i]
			}
		}
	}
	return nil
}
