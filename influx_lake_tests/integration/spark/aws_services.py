"""EMR Serverless and Glue as far as moto has them, with jobs that run: by the real `spark-submit`, on this machine."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

_ENVIRONMENT = "spark.emr-serverless.driverEnv."


def spark_submit() -> str:
    """The path of PySpark's own `spark-submit`."""
    import pyspark

    return str(Path(pyspark.__file__).parent / "bin" / "spark-submit")


@dataclass(slots=True)
class Submitted:
    """Starts scripts that are in S3, as a service does, with none of the run's variables.

    Attributes:
        folder: Where they run.
        output: The file that has what they print.
    """

    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def output(self) -> Path:
        return self.folder / "output.txt"

    def start(self, job: str, script: str, properties: Mapping[str, str], arguments: list[str]) -> None:
        address = urlsplit(script)
        there = self.folder / "driver.py"
        boto3.client("s3").download_file(address.netloc, address.path.lstrip("/"), str(there))
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER_", "PYTEST_"))}
        variables |= {"PYSPARK_PYTHON": sys.executable}
        variables |= {
            name.removeprefix(_ENVIRONMENT): value
            for name, value in properties.items()
            if name.startswith(_ENVIRONMENT)
        }
        stated = [part for name, value in properties.items() for part in ("--conf", f"{name}={value}")]
        command = [spark_submit(), "--master", "local[2]", *stated, str(there), *arguments]
        with self.output.open("ab") as output:
            self.processes[job] = subprocess.Popen(
                command, cwd=self.folder, env=variables, stdout=output, stderr=subprocess.STDOUT
            )

    def state(self, job: str, ended: str) -> str:
        """What the service calls the state of a job, with its word for one that ended well."""
        code = self.processes[job].poll()
        return "RUNNING" if code is None else ended if code == 0 else "FAILED"

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


class Emr:
    """moto's EMR Serverless, whose jobs run."""

    def __init__(self, moto: Any, submitted: Submitted) -> None:
        self._moto = moto
        self._submitted = submitted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._moto, name)

    def start_job_run(self, **asked: Any) -> Any:
        response = self._moto.start_job_run(**asked)
        self._submitted.asked.append(asked)
        driver = asked["jobDriver"]["sparkSubmit"]
        properties = dict(asked["configurationOverrides"]["applicationConfiguration"][0]["properties"])
        words = shlex.split(driver["sparkSubmitParameters"])
        assert set(words[::2]) == {"--conf"}
        properties |= dict(word.split("=", 1) for word in words[1::2])
        self._submitted.start(response["jobRunId"], driver["entryPoint"], properties, [])
        return response

    def get_job_run(self, **asked: Any) -> Any:
        response = self._moto.get_job_run(**asked)
        response["jobRun"]["state"] = self._submitted.state(asked["jobRunId"], "SUCCESS")
        return response

    def get_application(self, **asked: Any) -> Any:
        response = self._moto.get_application(**asked)
        # As EMR Serverless itself writes it.
        response["application"]["type"] = response["application"]["type"].capitalize()
        return response

    def get_dashboard_for_job_run(self, **asked: Any) -> Any:
        return {"url": "https://dashboard.example.com"}


class GlueJobs:
    """moto's Glue, whose jobs run."""

    def __init__(self, moto: Any, submitted: Submitted) -> None:
        self._moto = moto
        self._submitted = submitted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._moto, name)

    def start_job_run(self, **asked: Any) -> Any:
        response = self._moto.start_job_run(**asked)
        self._submitted.asked.append(asked)
        job = self._moto.get_job(JobName=asked["JobName"])["Job"]
        arguments = ["--JOB_NAME", asked["JobName"]]
        arguments += [word for pair in asked["Arguments"].items() for word in pair]
        self._submitted.start(response["JobRunId"], job["Command"]["ScriptLocation"], {}, arguments)
        return response

    def get_job_run(self, **asked: Any) -> Any:
        response = self._moto.get_job_run(**asked)
        response["JobRun"]["JobRunState"] = self._submitted.state(asked["RunId"], "SUCCEEDED")
        return response


def with_jobs(submitted: Submitted) -> Callable[..., Any]:
    """boto3's `client`, for which the two services run jobs."""
    plain = boto3.client
    services = {"emr-serverless": Emr, "glue": GlueJobs}

    def client(name: str, **options: Any) -> Any:
        found = plain(name, **options)
        return services[name](found, submitted) if name in services else found

    return client
