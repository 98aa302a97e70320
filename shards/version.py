"""The version of this software."""

from pathlib import Path


def tool_version() -> str:
    """Return the version: the installed package's, or that of the checkout where nothing is installed."""
    # Here and not above: it takes as long to load as all the rest that a packing worker needs of ours.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("dropstream")
    except PackageNotFoundError:
        import tomllib

        project = Path(__file__).parents[1] / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
