package jobs

import (
	"context"
	"fmt"
	"net/http"

	"riverqueue.com/riverui"
)

// Page is the queue's own page under a path prefix ("/queue"), until ctx ends. It
// has no sign-in and no protection of its own: it must stand behind ours.
func (c *Client) Page(ctx context.Context, prefix string) (http.Handler, error) {
	h, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(c.river, nil),
		Logger:    c.c.Log,
		Prefix:    prefix,
	})
	if err == nil {
		err = h.Start(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("jobs: page: %w", err)
	}
	return h, nil
}
