package integration

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/lethe-dsr/lethe/internal/pgtest"
)

// The S3 server's HTTP library keeps two goroutines for good.
func TestMain(m *testing.M) {
	pgtest.Main(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}
