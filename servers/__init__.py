"""Real servers for the tests: child processes on free ports, from binaries that pip brings."""
