// Package e2e tests the real binary: several processes on loopback ports, real
// upstreams, real signals. Its tests start what they need and wait for
// conditions; GITMIRROR_LONG=1 makes the sweeps longer.
package e2e
