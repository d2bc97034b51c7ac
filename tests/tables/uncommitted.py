"""Statements that make PostgreSQL fail to commit a new row, as if it were shutting down, and count the attempts."""

__all__ = ["UNCOMMITTED"]

_FAIL = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM nextval('attempts'); RAISE EXCEPTION 'no' USING ERRCODE = '57P01'; END $$
"""
_FAILING = """
CREATE CONSTRAINT TRIGGER failing AFTER INSERT ON holdall_session DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION fail()
"""
UNCOMMITTED = ("CREATE SEQUENCE attempts", _FAIL, _FAILING)
