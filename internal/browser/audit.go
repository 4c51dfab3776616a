package browser

import _ "embed"

//go:embed audit.js
var auditScript string

// Audit asks of the page what every page must have: a language, a title, one
// first heading and no level left out; a label for every field and words for
// every link and button; ids that stand once and references that lead somewhere;
// text that stands out from its ground (WCAG 2.2 AA: 4.5 to 1, large text 3 to 1);
// no tab stop put out of order; targets of a finger's size; nothing wider than the
// window. It returns a sentence for each fault.
func (t *Tab) Audit() ([]string, error) {
	return evaluate[[]string](t, auditScript)
}

// Dark switches the window to dark colours, or back.
func (t *Tab) Dark(on bool) error {
	value := "light"
	if on {
		value = "dark"
	}
	return t.call("Emulation.setEmulatedMedia", map[string]any{
		"features": []map[string]string{{"name": "prefers-color-scheme", "value": value}, {"name": "prefers-reduced-motion", "value": "reduce"}}, //nolint:misspell // the protocol's words
	})
}

// WithoutScripts turns JavaScript off in the window.
func (t *Tab) WithoutScripts() error {
	return t.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
}
