package integration

import (
	"testing"

	"github.com/Shopify/toxiproxy/v2"
)

var _ = toxiproxy.NewServer

func TestNothingYet(t *testing.T) { t.Parallel() }
