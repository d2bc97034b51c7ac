"""Lets pytest explain the asserts of the suites; imported before they are."""

import pytest

pytest.register_assert_rewrite("holdall.testing.adapters", "holdall.testing.stores", "holdall.testing.tables")
