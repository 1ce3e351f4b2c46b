"""Renders Jinja templates to pages with all values escaped."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from influx_lake.config import redact
from influx_lake.printable import printable

if TYPE_CHECKING:
    from jinja2 import Environment


def page(package: str, template: str, script: str | None = None, **values: Any) -> str:
    """Render a page.

    Args:
        package: The package of the template and its script.
        template: The template's file name.
        script: The file name of the page's only script.
        values: The template's variables.
    """
    templates = _environment(package)
    style = _source(templates, "style.css")
    code = None if script is None else _source(templates, script)
    rendered: str = templates.get_template(template).render(
        **values,
        style=style,
        script=code,
        # A content security policy, so that injected markup neither runs nor loads anything.
        policy="; ".join(
            (
                "default-src 'none'",
                f"style-src '{_digest(style)}'",
                f"script-src '{_digest(code)}'" if code is not None else "script-src 'none'",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
    )
    return rendered


@cache
def _environment(package: str) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(__package__)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """A value without secrets and without direction characters."""
    # Markup was made from escaped values.
    return printable(redact(value)) if type(value) is str else value


def _source(templates: Environment, name: str) -> str:
    from markupsafe import Markup

    assert templates.loader is not None
    return Markup(templates.loader.get_source(templates, name)[0])  # noqa: S704


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
