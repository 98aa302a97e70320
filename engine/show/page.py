"""Pages that need nothing else: styles and plots are inside them."""

from typing import Any, cast

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from engine.show.heat_map import heat_gradient
from engine.show.tables import DOWN, UP
from shards.characters import visible
from shards.command import one_line


def render(package: str, template: str, *, title: str, **values: Any) -> str:  # noqa: ANN401 (whatever the template shows)
    """Return a page.

    Args:
        package: Package whose templates these are; `page.html.j2` and `parts.html.j2` are everybody's.
        template: Name of the page's template.
        title: Its title; untrusted text.
        **values: What it shows; all text is escaped, and what is not to be seen in it written out.
    """
    loader = ChoiceLoader([PackageLoader(package), PackageLoader("engine.show")])
    environment = Environment(
        loader=loader, autoescape=True, finalize=_shown, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # Not among the values: imported macros see only these.
    cast("dict[str, Any]", environment.globals).update(signs={"gain": UP, "harm": DOWN}, gradient=heat_gradient())
    return environment.get_template(template).render(title=one_line(title), **values)


def _shown(value: object) -> object:
    """Return a value as the page shows it: in text, marks that would turn a line's letters around are written out; markup stays."""
    return "\n".join(map(visible, value.split("\n"))) if type(value) is str else value
