"""Says which of Moonshine's models a machine has: the wheel of the larger one is for few machines."""

from importlib.util import find_spec

import pytest

HAS_BASE = find_spec("moonshine_cpp") is not None
needs_base = pytest.mark.skipif(not HAS_BASE, reason="the wheel moonshine-cpp is not for this machine")
