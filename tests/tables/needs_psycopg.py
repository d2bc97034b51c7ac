"""Imported first by PostgreSQL's tests, which are skipped if the driver has no binary and finds no library."""

from servers.postgres import driver

driver()
