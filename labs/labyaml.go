package labs

// The shape of lab.yaml. The author's guide (content/README.md) explains every field.
type (
	labYAML struct {
		Minutes int        `yaml:"minutes"`
		Node    nodeYAML   `yaml:"node"`
		Images  []string   `yaml:"images"`
		Ahead   *bool      `yaml:"ahead"`
		Steps   []stepYAML `yaml:"steps"`
	}
	nodeYAML struct {
		Memory string `yaml:"memory"`
		CPU    string `yaml:"cpu"`
		PIDs   int64  `yaml:"pids"`
		Disk   string `yaml:"disk"`
	}
	stepYAML struct {
		ID          string           `yaml:"id"`
		Minutes     int              `yaml:"minutes"`
		Continue    bool             `yaml:"continue"`
		Views       viewsYAML        `yaml:"views"`
		Terminals   []string         `yaml:"terminals"`
		Manifests   []writeYAML      `yaml:"manifests"`
		Start       []actionYAML     `yaml:"start"`
		Keep        []keepYAML       `yaml:"keep"`
		Predictions []predictionYAML `yaml:"predictions"`
		Checks      []checkYAML      `yaml:"checks"`
		Reached     []reachedYAML    `yaml:"reached"`
		Solution    []actionYAML     `yaml:"solution"`
		Wrong       []wrongYAML      `yaml:"wrong"`
	}
	viewsYAML struct {
		Open    []string `yaml:"open"`
		Compare struct {
			Left  []string `yaml:"left"`
			Right string   `yaml:"right"`
		} `yaml:"compare"`
	}
	actionYAML struct {
		Apply     string         `yaml:"apply"`
		Container map[string]any `yaml:"container"`
		Delete    string         `yaml:"delete"`
		Run       string         `yaml:"run"`
		Exec      *execYAML      `yaml:"exec"`
		Write     *writeYAML     `yaml:"write"`
		Wait      string         `yaml:"wait"`
	}
	execYAML struct {
		Container string   `yaml:"container"`
		Argv      []string `yaml:"argv"`
		Exit      int      `yaml:"exit"`
		Expect    string   `yaml:"expect"`
	}
	httpYAML struct {
		Pod    string `yaml:"pod"`
		Port   int    `yaml:"port"`
		Path   string `yaml:"path"`
		Status int    `yaml:"status"`
		Expect string `yaml:"expect"`
	}
	writeYAML struct {
		File string  `yaml:"file"`
		From string  `yaml:"from"`
		Text *string `yaml:"text"`
	}
	keepYAML struct {
		ID    string `yaml:"id"`
		When  string `yaml:"when"`
		Value string `yaml:"value"`
	}
	predictionYAML struct {
		ID      string            `yaml:"id"`
		Options []string          `yaml:"options"`
		When    string            `yaml:"when"`
		Answers map[string]string `yaml:"answers"`
		Seen    map[string]string `yaml:"seen"`
	}
	checkYAML struct {
		ID    string            `yaml:"id"`
		When  string            `yaml:"when"`
		Guard string            `yaml:"guard"`
		Exec  *execYAML         `yaml:"exec"`
		HTTP  *httpYAML         `yaml:"http"`
		Hold  bool              `yaml:"hold"`
		Found map[string]string `yaml:"found"`
		Hints int               `yaml:"hints"`
	}
	reachedYAML struct {
		ID   string `yaml:"id"`
		When string `yaml:"when"`
	}
	wrongYAML struct {
		ID    string       `yaml:"id"`
		Check string       `yaml:"check"`
		When  string       `yaml:"when"`
		Do    []actionYAML `yaml:"do"`
	}
)
