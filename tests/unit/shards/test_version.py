"""The version, installed and as a checkout."""

from importlib.metadata import PackageNotFoundError, version

from shards import version as version_module


def test_a_checkout_that_is_not_installed_knows_its_version(monkeypatch):
    installed = version_module.tool_version()
    assert installed == version("dropstream")

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(version_module, "version", missing)
    assert version_module.tool_version() == installed
