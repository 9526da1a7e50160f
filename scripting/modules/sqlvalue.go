package modules

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/scripting/host"
)

// maxSafe is the largest integer that a number of JavaScript holds exactly.
const maxSafe = 1<<53 - 1

// sqlValue converts a value of a database, one of those that sqlconn.Scanner gives.
func sqlValue(a *host.Active, v any) (goja.Value, error) {
	switch v := v.(type) {
	case nil:
		return goja.Null(), nil
	case int64:
		if v > maxSafe || v < -maxSafe {
			return a.Runtime().ToValue(big.NewInt(v)), nil
		}
		return a.Runtime().ToValue(v), nil
	case *big.Int, float64, bool, string:
		return a.Runtime().ToValue(v), nil
	case time.Time:
		return a.Date(v)
	case []byte:
		return a.Bytes(v)
	}
	return nil, fmt.Errorf("a value of the type %T has no form in a script", v)
}

// sqlParameter converts a value of a script. What no database can mean is an error;
// so is undefined: where it stands for something that was forgotten, NULL would find
// nothing, without a word.
func sqlParameter(a *host.Active, v goja.Value) (any, error) {
	switch {
	case v == nil, goja.IsUndefined(v):
		return nil, errors.New("is undefined; NULL is null")
	case goja.IsNull(v):
		return nil, nil
	}
	if obj, ok := v.(*goja.Object); ok {
		if b, ok := host.Uint8Array(obj); ok {
			return b, nil
		}
		if obj.ClassName() == "Date" {
			if at, ok := obj.Export().(time.Time); ok {
				return at.UTC(), nil
			}
		}
		return nil, fmt.Errorf("is %s, which is no value of a database", a.Describe(v))
	}
	switch x := v.Export().(type) {
	case bool, int64:
		return x, nil
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("is %s", v)
		}
		return x, nil
	case *big.Int:
		if x.IsInt64() {
			return x.Int64(), nil
		}
		return x.String(), nil
	case string:
		if holdsSecret(x) {
			return nil, errors.New("holds a secret in a text")
		}
		return x, nil
	}
	return nil, fmt.Errorf("is %s, which is no value of a database", a.Describe(v))
}
