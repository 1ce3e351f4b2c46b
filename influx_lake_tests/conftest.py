"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# No deadline: how long an example takes says more about what else the machine does. The examples are the same every
# time, so that a failure is the change's; `--hypothesis-profile explore` takes new ones: it finds what these do not.
settings.register_profile("influx_lake", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, derandomize=False)
settings.load_profile("influx_lake")
