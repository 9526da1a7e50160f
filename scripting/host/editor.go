package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// EditorFile is where editors and `tsc -p` look for settings.
const EditorFile = "jsconfig.json"

// WriteTypes writes what an editor needs to complete and check scripts into their
// folder: the declarations, such as [API.DTS], under a name that ends in .d.ts, and
// a jsconfig.json beside them. It replaces the declarations; settings that are there
// already are somebody's own and stay. It returns the names of the files that it
// wrote. None of them is a script.
func WriteTypes(folder, name, declarations string) (written []string, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder, name), []byte(declarations), 0o644); err != nil {
		return nil, err
	}
	settings, err := os.OpenFile(filepath.Join(folder, EditorFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return []string{name}, nil
	}
	if err != nil {
		return []string{name}, err
	}
	_, err = settings.WriteString(EditorSettings(name))
	return []string{name, EditorFile}, errors.Join(err, settings.Close())
}

// EditorSettings is the text of the jsconfig.json beside declarations of that name.
// There is no DOM, every file is a module, and a parameter without a type may be
// anything.
func EditorSettings(name string) string {
	return fmt.Sprintf(`{
  "compilerOptions": {
    "target": "ES2022",
    "lib": ["ES2022"],
    "types": [],
    "module": "ESNext",
    "moduleResolution": "Bundler",
    "moduleDetection": "force",
    "allowImportingTsExtensions": true,
    "allowJs": true,
    "checkJs": true,
    "noEmit": true,
    "strict": true,
    "noImplicitAny": false,
    "useUnknownInCatchVariables": false
  },
  "include": [%q, "**/*.js", "**/*.ts"]
}
`, name)
}
