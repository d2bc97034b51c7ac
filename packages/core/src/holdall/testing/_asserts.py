"""Let pytest explain the suites' asserts; imported before the suites."""

import pytest

pytest.register_assert_rewrite("holdall.testing.adapters", "holdall.testing.stores", "holdall.testing.tables")
