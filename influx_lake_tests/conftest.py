"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: how long an example takes says more about what else the machine does. In CI the examples are the same
# every time, so that a failure is the change's; elsewhere they are new every time, so that they find what CI's do not.
settings.register_profile("influx_lake", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("influx_lake")
