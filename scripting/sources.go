package scripting

// Sources returns the texts of the scripts by name.
func (g *Generation) Sources() map[string]string {
	texts := map[string]string{}
	for _, f := range g.host.Files() {
		texts[f.Name] = f.Text
	}
	return texts
}
