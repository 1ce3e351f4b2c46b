"""The example lake.yaml."""

from importlib.resources import files


def example_lake() -> str:
    """The example's text, comments included."""
    return (files(__package__) / "example_lake.yaml").read_text(encoding="utf-8")
