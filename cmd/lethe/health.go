package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

type healthCmd struct{}

// Help is the longer text of -h.
func (healthCmd) Help() string {
	return `Asks the process that serves on "listen" whether it is well: the container's health check.

Example:
  lethe health`
}

// Run asks.
func (c *healthCmd) Run(ctx context.Context, w *world, cli *commands) error {
	cfg, err := loadConfig(w, cli.Config)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("nothing answers on %s", cfg.Listen)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %d", res.StatusCode)
	}
	fmt.Fprintln(w.out, "well")
	return nil
}
