package manifest

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"podlab/sandbox"
)

// maxData bounds what one ConfigMap or Secret holds, in bytes. Kubernetes' own bound is 1 MiB; a manifest is smaller anyway.
const maxData = sandbox.MaxManifest

func (d *document) finishConfigMap(c *sandbox.ConfigMap) error {
	if err := d.dataMeta(&c.Metadata); err != nil {
		return err
	}
	size := 0
	for _, key := range sorted(c.Data) {
		if err := d.dataKey("data", key); err != nil {
			return err
		}
		size += len(key) + len(c.Data[key])
	}
	n, err := d.encoded("binaryData", c.BinaryData)
	if err != nil {
		return err
	}
	for _, key := range sorted(c.BinaryData) {
		if _, twice := c.Data[key]; twice {
			return d.bad("binaryData."+key, key, WantUnique)
		}
	}
	return d.fits("data", size+n)
}

// finishSecret puts stringData over data, as the API server does, so that there is one place to read from.
func (d *document) finishSecret(s *sandbox.Secret) error {
	if err := d.dataMeta(&s.Metadata); err != nil {
		return err
	}
	n, err := d.encoded("data", s.Data)
	if err != nil {
		return err
	}
	for _, key := range sorted(s.StringData) {
		if err := d.dataKey("stringData", key); err != nil {
			return err
		}
		if s.Data == nil {
			s.Data = map[string]string{}
		}
		s.Data[key] = base64.StdEncoding.EncodeToString([]byte(s.StringData[key]))
		n += len(key) + len(s.StringData[key])
	}
	s.StringData = nil
	if s.Type == "" {
		s.Type = "Opaque"
	}
	if len(s.Type) > 253 || strings.ContainsAny(s.Type, "\x00\n") {
		return d.bad("type", s.Type, WantName)
	}
	return d.fits("data", n)
}

// dataMeta: names of ConfigMaps and Secrets may have dots (RFC 1123 subdomains), those of pods here may not.
func (d *document) dataMeta(m *sandbox.ObjectMeta) error {
	if m.Name == "" {
		return d.bad("metadata.name", "", WantRequired)
	}
	if err := d.subdomain("metadata.name", m.Name); err != nil {
		return err
	}
	name := m.Name
	m.Name = "checked" // the rest as for a pod
	err := d.meta(m)
	m.Name = name
	return err
}

// encoded checks keys and base64 and returns how many bytes there are.
func (d *document) encoded(at string, data map[string]string) (size int, err error) {
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if err := d.dataKey(at, key); err != nil {
			return 0, err
		}
		plain, err := base64.StdEncoding.DecodeString(strings.Map(noBreaks, data[key]))
		if err != nil {
			return 0, d.bad(at+"."+key, data[key], WantBase64)
		}
		data[key] = base64.StdEncoding.EncodeToString(plain)
		size += len(key) + len(plain)
	}
	return size, nil
}

// noBreaks drops the line breaks that base64(1) and YAML's blocks put in.
func noBreaks(r rune) rune {
	if r == '\n' || r == '\r' {
		return -1
	}
	return r
}

func (d *document) dataKey(at, key string) error {
	if len(validation.IsConfigMapKey(key)) > 0 {
		return d.bad(at+"."+key, key, WantKey)
	}
	return nil
}

func (d *document) fits(at string, size int) error {
	if size > maxData {
		return d.bad(at, strconv.Itoa(size), WantRange, "want", "0–"+strconv.Itoa(maxData))
	}
	return nil
}
