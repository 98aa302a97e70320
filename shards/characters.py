"""Characters in names that come from outside, and names as people and terminals may see them."""

import re

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that would break a message or a report into lines, or do worse to a terminal."""
MISLEADING = re.compile(CONTROL.pattern[:-1] + r"\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""The same, and marks that show letters in another order, and halves of characters."""


def visible(text: str) -> str:
    r"""Return a text in which whatever is no character to be seen (an escape that a terminal would obey, say) is written out.

    >>> visible("bad" + chr(27) + "[31m key"), visible("photo" + chr(0x202E) + "gpj.exe")
    ('bad\\x1b[31m key', 'photo\\u202egpj.exe')
    """
    return text if text.isprintable() else "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
