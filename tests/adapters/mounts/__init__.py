"""The conformance suite's application for each framework: `mount(sessions)` returns a client of it."""
