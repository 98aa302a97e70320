"""How numbers are written wherever a person reads them; what was not measured says n/a."""

NOT_MEASURED = "n/a"
MINUS = "−"
"""As plots write it; a hyphen is narrower than the plus sign above it."""
TIMES = "\N{MULTIPLICATION SIGN}"
Facts = list[tuple[str, str]]
"""Names and values."""


def number(value: float | None, digits: int = 3) -> str:
    """Return `value` with `digits` decimals, or fewer digits in exponent form when it would grow wide.

    >>> number(0.86149), number(None), number(123456.0)
    ('0.861', 'n/a', '1.23e+05')
    """
    if value is None:
        return NOT_MEASURED
    return f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:.3g}"


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share, 0 to 1, as percent.

    >>> percent(0.0321), percent(0.0321, 1), percent(None)
    ('3 %', '3.2 %', 'n/a')
    """
    return NOT_MEASURED if share is None else f"{100 * share:.{digits}f} %"


def count(value: float | None) -> str:
    """Return a count with thousands separators.

    >>> count(138422128), count(2150.4), count(None)
    ('138,422,128', '2,150', 'n/a')
    """
    return NOT_MEASURED if value is None else f"{value:,.0f}"


def clock(seconds: float | None) -> str:
    """Return a remaining time in the short form of a clock, hours only when there are any.

    >>> clock(42.4), clock(754), clock(3723), clock(None)
    ('0:42', '12:34', '1:02:03', 'n/a')
    """
    if seconds is None:
        return NOT_MEASURED
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def duration(seconds: float | None) -> str:
    """Return a time spent, in the two largest units that matter.

    >>> duration(42.31), duration(754), duration(3723), duration(None)
    ('42.3 s', '12 min 34 s', '1 h 02 min', 'n/a')
    """
    if seconds is None:
        return NOT_MEASURED
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def memory(num_bytes: int | None) -> str:
    """Return a size in binary units.

    >>> memory(3 * 2**30), memory(200 * 2**20), memory(None)
    ('3.0 GiB', '200 MiB', 'n/a')
    """
    if num_bytes is None:
        return NOT_MEASURED
    return f"{num_bytes / 2**30:.1f} GiB" if num_bytes >= 2**30 else f"{num_bytes / 2**20:.0f} MiB"


def milliseconds(value: float | None) -> str:
    """Return a time in milliseconds with three significant digits at most.

    >>> milliseconds(0.123), milliseconds(12.34), milliseconds(1234.5)
    ('0.12 ms', '12.3 ms', '1,234 ms')
    """
    if value is None:
        return NOT_MEASURED
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} ms"
