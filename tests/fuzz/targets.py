"""All targets. `images.zip` is the target `zip` of the module `images`: who needs one does not import what the others need."""

import importlib

from tests.fuzz.target import Target

MODULES = ("tables", "images", "datasets", "runs", "checkpoints")
PACKAGE = "tests.fuzz"


def load(name: str) -> Target:
    """Return a target by its name."""
    module, _, target = name.partition(".")
    return importlib.import_module(f"{PACKAGE}.{module}").TARGETS[target]


def names(module: str) -> list[str]:
    """Return the names of a module's targets."""
    return [f"{module}.{target}" for target in importlib.import_module(f"{PACKAGE}.{module}").TARGETS]
