"""A project that `create-dagster` makes, and `dg` in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

BIN = Path(sys.executable).parent
LINES = """\
cpu,host=a usage=1.5 1767225600000000000
cpu,host=b usage=2.5 1767229200000000000
cpu,host=a usage=3.5 1767312000000000000
"""
"""Three points of the measurement cpu: two on the first of January 2026, one on the second."""


@dataclass(frozen=True)
class DgProject:
    """A project, and the environment whose programs work on it.

    Attributes:
        root: The project's folder.
        programs: Where `dg` is.
        package: The project's Python package.
    """

    root: Path
    programs: Path = BIN
    package: str = "plant"

    @classmethod
    def create(cls, folder: Path, programs: Path = BIN) -> Self:
        """Make one, as `create-dagster project plant` does."""
        project = cls(folder / "plant", programs)
        # Whose `dg` it is does not matter to what `create-dagster` writes.
        project.run("create-dagster", "project", str(project.root), "--no-uv-sync", program=BIN, cwd=folder)
        project.home.mkdir(exist_ok=True)
        (project.home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        return project

    @property
    def home(self) -> Path:
        """DAGSTER_HOME."""
        return self.root.parent / "home"

    @property
    def defs(self) -> Path:
        """The folder of definitions."""
        return self.root / "src" / self.package / "defs"

    def run(self, *command: str, program: Path | None = None, cwd: Path | None = None, fails: bool = False) -> str:
        """What a command prints; it is expected to work, or to fail."""
        ours = ("INFLUX", "DAGSTER", "PYTHON")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        done = subprocess.run(
            [str((program or self.programs) / command[0]), *command[1:]],
            cwd=cwd or self.root,
            env={
                **environment,
                "DAGSTER_HOME": str(self.home),
                "DAGSTER_CLI_SUPPRESS_WARNINGS": "create_dagster_outdated",
                "VIRTUAL_ENV": str(self.programs.parent),
                "PATH": f"{self.programs}{os.pathsep}{environment['PATH']}",
                # Elsewhere the project is installed.
                **({"PYTHONPATH": str(self.root / "src")} if self.programs == BIN else {}),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr if fails else done.stdout

    def dg(self, *command: str, fails: bool = False) -> str:
        """What `dg` prints."""
        return self.run("dg", *command, fails=fails)

    def assets(self) -> dict[str, dict[str, Any]]:
        """The assets that `dg list defs` lists, by key."""
        printed = self.dg("list", "defs", "--json")
        listed = json.loads(printed[printed.index("{") :])
        return {each["asset_key"]: each for each in listed["assets"]}
