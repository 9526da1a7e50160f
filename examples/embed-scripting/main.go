// A shop that has scripts write its bills. Change them while it reads orders, such as "Ada tea 3", from its input.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/metasync/metasync/scripting/host"
)

func price(item string) float64 { return map[string]float64{"tea": 4, "cake": 3.5}[item] }

// api is all that scripts see: what is bound, checked and declared comes from it.
var api = &host.API{
	Kinds: []host.Kind{host.TestKind, host.Events("on", "Listens to what happens.",
		host.Event{Name: "order.placed", Type: "Order", Result: "string", Doc: "Somebody orders. The result goes on the bill."})},
	Functions: []host.Member{{Name: "price", Signature: "(item: string): number", Doc: "Returns the price of one.", Call: host.Func(price)}},
	Objects:   []host.Object{*host.Log, *host.TestObject("What a test compares with.")},
	Types:     []host.Type{host.Module, {Name: "Orders", Text: "interface Order { customer: string; item: string; count: number }"}},
}

func run(ctx context.Context, folder string, in io.Reader, out io.Writer) error {
	c := host.Config{Folder: folder, API: api, Options: host.Options{Log: slog.Default()}, Keep: host.KeepFile(folder + ".good")}
	c.Changed = func(o host.Outcome) {
		fmt.Fprintln(out, "generation", o.Generation.Number(), "is in force; refused:", o.Err)
	}
	h, err := host.Open(ctx, c)
	if err != nil {
		return err
	}
	defer h.Close() // which ends Watch, too
	go h.Watch(ctx)
	for {
		var customer, item string
		var count int
		if _, err := fmt.Fscanln(in, &customer, &item, &count); err != nil {
			return err
		}
		bill, err := h.Call(ctx, "on", "order.placed", map[string]any{"customer": customer, "item": item, "count": count})
		fmt.Fprintln(out, bill, err)
	}
}

func main() {
	slog.Info("the shop closes", "err", run(context.Background(), "examples/embed-scripting/scripts", os.Stdin, os.Stdout))
}
