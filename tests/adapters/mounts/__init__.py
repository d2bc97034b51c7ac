"""The conformance suite's application, once for each framework: `mount(sessions)` gives a client of it."""
