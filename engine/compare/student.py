"""Student's t distribution, as much of it as a few seeds need."""

import math


def two_sided(t: float, degrees: int) -> float:
    """Return P(|T| > |t|) for Student's t distribution.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, formulas 26.7.3 and 26.7.4 (finite sums, exact).

    Args:
        t: Quotient of a mean difference and its standard error.
        degrees: Degrees of freedom, at least 1: number of seeds minus 1.

    >>> round(two_sided(12.706, 1), 4), round(two_sided(-4.303, 2), 4), round(two_sided(3.182, 3), 4), two_sided(0, 5)
    (0.05, 0.05, 0.05, 1.0)
    """
    if math.isinf(t):
        return 0.0
    angle = math.atan(abs(t) / math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2 == 1
    # Terms cos^j of the sum: j = 1, 3, … below `degrees` when it is odd, j = 0, 2, … when it is even.
    power = 1 if odd else 0
    term, total = cosine if odd else 1.0, 0.0
    while power <= degrees - 2:
        total += term
        power += 2
        term *= cosine**2 * (power - 1) / power
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return min(1.0, max(0.0, 1.0 - inside))
