// Renders one template of a chart with Go's template engine and the few functions of Helm's that ours uses:
// render-chart TEMPLATE VALUES.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
)

// JSON is YAML too; what Helm writes in blocks stands here in one line.
func toYaml(value any) (string, error) {
	list, ok := value.([]any)
	if !ok {
		text, err := json.Marshal(value)
		return string(text), err
	}
	lines := []string{}
	for _, one := range list {
		text, err := json.Marshal(one)
		if err != nil {
			return "", err
		}
		lines = append(lines, "- "+string(text))
	}
	return strings.Join(lines, "\n"), nil
}

func nindent(count int, text string) string {
	pad := "\n" + strings.Repeat(" ", count)
	return pad + strings.ReplaceAll(text, "\n", pad)
}

func required(message string, value any) (any, error) {
	if value == nil || value == "" {
		return nil, fmt.Errorf("%s", message)
	}
	return value, nil
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	check(err)
	read, err := os.ReadFile(os.Args[2])
	check(err)
	var values map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(read)))
	decoder.UseNumber()
	check(decoder.Decode(&values))
	functions := template.FuncMap{
		"toYaml": toYaml, "nindent": nindent, "required": required,
		"quote": func(value any) string { return fmt.Sprintf("%q", fmt.Sprint(value)) },
	}
	made, err := template.New("template").Option("missingkey=error").Funcs(functions).Parse(string(text))
	check(err)
	check(made.Execute(os.Stdout, map[string]any{
		"Values":  values,
		"Release": map[string]any{"Name": "shop", "Service": "Helm"},
	}))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
