package console

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// A client gets what the daemon tells of what would happen.
func TestLook(t *testing.T) {
	folder := t.TempDir()
	start(t, folder, newFake())
	c := connect(t, folder)
	p, err := c.Preview(t.Context(), engine.PreviewQuery{Agent: "HR", Key: "1"})
	if err != nil || p.Agent != "HR" || p.Result != run.Success {
		t.Errorf("%+v, %v", p, err)
	} else if got := p.ImportFlows[0]; got.Attribute != "number" || cmp.Diff("[9007199254740993]", textOf(got.Value)) != "" {
		t.Errorf("the flow is %+v", got)
	}
	if _, err := c.Preview(t.Context(), engine.PreviewQuery{Agent: "HR", Key: "nobody"}); fault.Name(err) != "unknown-object" {
		t.Errorf("nobody: %v", err)
	}
	if p, err := c.CommitPreview(t.Context(), engine.PreviewQuery{Agent: "HR"}, "ada"); err != nil || !p.Committed || p.DN != "ada" || p.Run != 8 {
		t.Errorf("%+v, %v", p, err)
	}
	x, err := c.Explain(t.Context(), engine.ExplainQuery{Agent: "HR", Key: "1", Attribute: "sn"})
	if err != nil || x.Attribute != "sn" || x.Metaverse.Name != "HR1" {
		t.Errorf("%+v, %v", x, err)
	}
	f, err := c.Forecast(t.Context(), daemon.ForecastQuery{With: "new.yaml"}, nil)
	if err != nil || !f.Different || len(f.Warnings) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	_, err = c.Forecast(t.Context(), daemon.ForecastQuery{With: "broken.yaml"}, nil)
	if list := fault.All(err); len(list) != 1 || list[0].Position.Line != 3 {
		t.Errorf("broken: %v", err)
	}
}

func textOf(values []any) string {
	out := "["
	for _, v := range values {
		out += v.(interface{ String() string }).String()
	}
	return out + "]"
}
