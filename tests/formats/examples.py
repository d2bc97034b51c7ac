"""How much is tried of what could go on for ever; the environment can ask for more."""

import os

from sizes import sized

#: Sessions that Hypothesis makes for each property.
EXAMPLES = int(os.environ.get("HOLDALL_EXAMPLES", sized(500, 2000)))

#: Tokens and terms that are mutated for each format.
FUZZED = int(os.environ.get("HOLDALL_FUZZED", sized(10_000, 50_000)))
