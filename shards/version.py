"""The version of this software."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def tool_version() -> str:
    """Return the version: the installed package's, or that of the checkout where nothing is installed."""
    try:
        return version("dropstream")
    except PackageNotFoundError:
        import tomllib

        project = Path(__file__).parents[1] / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
