"""Let pytest explain the suites' asserts; imported before the suites."""

import pytest

pytest.register_assert_rewrite("holdall.testing._adapters", "holdall.testing._stores", "holdall.testing._tables")
