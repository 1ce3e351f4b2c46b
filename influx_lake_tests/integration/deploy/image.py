"""Runs the steps of a Dockerfile in plain root file systems, where there is no Docker."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass
class Stage:
    """A stage of an image: its files, and what later steps and commands run with.

    Attributes:
        root: Its root file system.
        variables: Its environment.
        user: Who runs its commands.
        folder: Where they run.
        command: What the image runs by itself.
        health: The command that tells whether that is well.
    """

    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    folder: str = "/"
    command: tuple[str, ...] = ()
    health: tuple[str, ...] = ()

    def run(self, *command: str, outside: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in it.

        Args:
            command: The command.
            outside: Variables that are not the image's.
        """
        variables = {"PATH": _PATH, "HOME": "/tmp", **(outside or {}), **self.variables}
        entered = ["/usr/sbin/chroot", f"--userspec={self.user}", str(self.root), "/bin/sh", "-c"]
        script = f"cd {shlex.quote(self.folder)} && exec {shlex.join(command)}"
        return subprocess.run([*entered, script], env=variables, text=True, capture_output=True, check=False)


def built(dockerfile: Path, context: Path, bases: Mapping[str, Path], folder: Path) -> Stage:
    """The last stage of a Dockerfile.

    Args:
        dockerfile: The file.
        context: What its COPY copies from.
        bases: The root file system of each image that it begins with.
        folder: Where root file systems go.

    Raises:
        RuntimeError: A step failed; it says what was printed.
        ValueError: An instruction that this does not know.
    """
    stages: dict[str, Stage] = {}
    stage = Stage(folder)
    for name, rest in _instructions(dockerfile.read_text(encoding="utf-8")):
        if name == "FROM":
            image, _, alias = rest.partition(" AS ")
            stage = Stage(folder / str(len(stages)))
            stages[alias or str(len(stages))] = stage
            subprocess.run(["cp", "--archive", str(bases[image]), str(stage.root)], check=True)
        elif name == "COPY":
            _copy(stage, stages, context, shlex.split(rest))
        else:
            _apply(stage, name, rest)
    return stage


def _apply(stage: Stage, name: str, rest: str) -> None:
    """Do what an instruction says that is about one stage."""
    match name:
        case "RUN":
            ran = stage.run("/bin/sh", "-c", rest, outside=_of_this_machine())
            if ran.returncode:
                raise RuntimeError(f"{rest}\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}")
        case "ENV" | "ARG":
            for each in shlex.split(rest):
                variable, _, value = each.partition("=")
                found = {"PATH": _PATH, **stage.variables}
                stage.variables[variable] = re.sub(r"\$(\w+)", lambda match, of=found: of[match[1]], value)
        case "USER":
            stage.user = rest
        case "WORKDIR":
            stage.folder = rest
            stage.root.joinpath(rest[1:]).mkdir(parents=True, exist_ok=True)
        case "CMD":
            stage.command = tuple(json.loads(rest))
        case "HEALTHCHECK":
            stage.health = tuple(json.loads(rest.partition("CMD ")[2]))
        case "EXPOSE":
            pass
        case _:
            raise ValueError(name)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in lines.replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name, rest.strip()


def _copy(stage: Stage, stages: Mapping[str, Stage], context: Path, words: list[str]) -> None:
    source = context
    if words[0].startswith("--from="):
        source = stages[words.pop(0).removeprefix("--from=")].root
    *names, target = words
    goal = stage.root / (target if target.startswith("/") else f"{stage.folder}/{target}").lstrip("/")
    for name in names:
        there = source / name.lstrip("/")
        if there.is_dir():
            shutil.copytree(there, goal, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(there, goal / there.name)


def _of_this_machine() -> dict[str, str]:
    """How this machine reaches package indexes."""
    told = {name: value for name, value in os.environ.items() if re.match(r"(PIP|UV|SSL|REQUESTS)_|.*_proxy$", name)}
    return {name: value for name, value in told.items() if name not in ("PIP_FIND_LINKS", "SSL_CERT_DIR")}


def plain_root(folder: Path) -> Path:
    """A root file system of Debian, as small as it gets, which reaches what this machine reaches."""
    subprocess.run(
        ["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", str(folder)],
        check=True,
        capture_output=True,
    )
    folder.chmod(0o755)
    shutil.copy2("/etc/resolv.conf", folder / "etc/resolv.conf")
    if _CERTIFICATES.is_file():
        shutil.copy2(_CERTIFICATES, folder / str(_CERTIFICATES)[1:])
    for each in Path("/etc/apt/apt.conf.d").iterdir():
        shutil.copy2(each, folder / "etc/apt/apt.conf.d" / each.name)
    return folder


def size_of(folder: Path) -> int:
    """How many bytes the files of a folder take."""
    result = subprocess.run(["du", "--summarize", "--bytes", str(folder)], text=True, capture_output=True, check=True)
    return int(result.stdout.split()[0])
