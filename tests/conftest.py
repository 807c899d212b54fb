"""What holds for all tests: the rule against skips, and property tests that repeat exactly."""

from __future__ import annotations

import signal

from hypothesis import settings

pytest_plugins = ["tests.require_real"]

# The same examples every time and no clock in the verdict: a run that fails does so again. To look
# for new examples: pytest --hypothesis-profile=search tests/unit
settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("search", max_examples=1000, deadline=None)
settings.load_profile("same")

# A shell gives its background jobs an ignored SIGINT, and they hand it down: to the programs that
# tests interrupt as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
