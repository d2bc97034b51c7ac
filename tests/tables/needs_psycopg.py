"""Imported first by tests of PostgreSQL, which are skipped where its driver has no binary and finds no library."""

from servers.postgres import driver

driver()
