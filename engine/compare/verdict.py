"""The verdict and the notes: sentences computed from the numbers, none of which says more than they do."""

from collections.abc import Iterator, Sequence

from engine.compare.findings import SIGNIFICANT, Difference, Findings, VariantFindings
from engine.compare.measures import measure_of
from engine.compare.statistics import false_alarm_rate
from engine.journal.records import RARELY_DROPPED
from engine.show.words import MINUS, NOT_MEASURED, number
from shards.command import one_line

CONSTANT = "†"
"""What stands at a number with runs in it that answer every image alike."""
MOST_NAMES = 4
"""Variants that a sentence names before it counts the rest."""
Compared = tuple[VariantFindings, Difference]
NOTHING_SHOWN = "Nothing here shows that dropping tasks helps the mean over the tasks."


def verdict(findings: Findings) -> tuple[str, ...]:
    """Return what the numbers come to: against plain multitask learning, and against single-task training.

    A variant differs from `mtl` if its adjusted p-value of the mean over the tasks is below 0.05. Dropping helps (hurts) under a
    scheduler that drops tasks if it lies above (below) `mtl` by this rule; with one seed nothing is claimed. Single tasks that differ
    are counted.
    """
    return (*_never_learned(findings), *_against_baseline(findings), *_single_tasks(findings), *_against_single(findings))


def notes(findings: Findings) -> tuple[str, ...]:
    """Return what an honest reader should know besides; each holds for these runs."""
    return (
        *findings.lost,
        *_many(findings),
        *_hardly_dropped(findings),
        *_below_majority(findings),
        *_undefined(findings),
        *_missing(findings),
    )


def p_text(value: float | None) -> str:
    """Return a p-value as text.

    >>> p_text(0.2149), p_text(0.0004), p_text(None)
    ('0.215', '< 0.001', 'n/a')
    """
    return "< 0.001" if value is not None and value < 0.001 else number(value)


def points(value: float | None, *, signed: bool = True) -> str:
    """Return a difference of shares in points: hundredths.

    >>> points(0.0123), points(-0.005, signed=False), points(None)
    ('+1.23', '0.50', 'n/a')
    >>> points(-0.005) == MINUS + "0.50"
    True
    """
    if value is None:
        return NOT_MEASURED
    # A difference that rounds to zero has no sign.
    rounded = round(100 * value, 2) + 0.0
    sign = "" if not signed or not rounded else "+" if rounded > 0 else MINUS
    return f"{sign}{abs(rounded):.2f}"


def _never_learned(findings: Findings) -> Iterator[str]:
    """Count the runs that give every image the same answer: they are luck, and would pass for an effect."""
    said = []
    for variant in findings.variants:
        if variant.num_constant_runs:
            tasks = [f"{one_line(entry.task)} {entry.num_constant}" for entry in variant.tasks if entry.num_constant]
            more = [f"{len(tasks) - MOST_NAMES} more tasks"] if len(tasks) > MOST_NAMES else []
            listed = ", ".join([*tasks[:MOST_NAMES], *more])
            said.append(f"{variant.num_constant_runs} of {variant.num_runs} of {one_line(variant.name)} ({listed})")
    if said:
        yield (
            f"Runs that answer every image alike: {'; '.join(said)}. These tasks ({CONSTANT}) are left out of what is said of differences, "
            "Δm and negative transfer."
        )


def _against_baseline(findings: Findings) -> Iterator[str]:
    compared = [(variant, variant.overall.to_baseline) for variant in findings.variants if variant.overall.to_baseline]
    known = [(variant, difference) for variant, difference in compared if difference.mean is not None]
    if not known:
        yield (
            "mtl is not among what is compared, so nothing says whether dropping tasks helps."
            if not any(variant.scheduler == "mtl" and variant.balancer is None for variant in findings.variants)
            else "No task is left to compare with mtl."
            if compared
            else "There is nothing to compare with mtl."
        )
        return
    what = f"mean {findings.split} {measure_of(findings.metric).name}"
    tested = [(variant, difference) for variant, difference in known if difference.p_adjusted is not None]
    if not tested:
        means = [difference.mean or 0.0 for _, difference in known]
        far = f"is {points(means[0])}" if len(means) == 1 else f"are {points(min(means))} to {points(max(means))}"
        if len(findings.seeds) > 1:
            yield f"All seeds differ by the same, which tells nothing of chance, so nothing is claimed ({far} points from mtl in {what})."
            return
        yield (
            "One seed cannot tell a scheduler's effect from the luck of the seed, so nothing is claimed: "
            f"{_names([variant for variant, _ in known])} {far} points from mtl in {what}. Add seeds: --seeds 3 or more."
        )
        return
    seeds = f"Over {len(findings.seeds)} seeds"
    differing = [(variant, difference) for variant, difference in tested if difference.is_significant]
    if not differing:
        smallest = p_text(min(difference.p_adjusted or 0.0 for _, difference in tested))
        one = f"{one_line(tested[0][0].name)} does not differ" if len(tested) == 1 else "no variant differs"
        yield f"{seeds} {one} from mtl beyond chance in {what} ({'' if len(tested) == 1 else 'smallest '}p = {smallest})."
    else:
        rest = "" if len(differing) == len(tested) else "; the others do not differ from mtl beyond chance"
        sides = [[pair for pair in differing if ((pair[1].mean or 0.0) > 0) is above] for above in (True, False)]
        yield f"{seeds}, {what}: {', '.join(_how_far(side) for side in sides if side)}{rest}."
    yield from _dropping(tested, differing)


def _how_far(compared: Sequence[Compared]) -> str:
    """Return by how much variants on the same side of `mtl` differ from it."""
    means = sorted(abs(difference.mean or 0.0) for _, difference in compared)
    side = "above" if (compared[0][1].mean or 0.0) > 0 else "below"
    largest = _equals(max(difference.p_adjusted or 0.0 for _, difference in compared))
    names = _names([variant for variant, _ in compared])
    if len(compared) == 1:
        return f"{names} is {points(means[0], signed=False)} points {side} mtl (p {largest})"
    between = f"{points(means[0], signed=False)} to {points(means[-1], signed=False)}"
    return f"{names} are {between} points {side} mtl (largest p {largest})"


def _equals(value: float | None) -> str:
    text = p_text(value)
    return text if text.startswith("<") else f"= {text}"


def _dropping(tested: Sequence[Compared], differing: Sequence[Compared]) -> Iterator[str]:
    if not any(variant.drops_tasks for variant, _ in tested):
        return
    dropping = [(variant, difference.mean or 0.0) for variant, difference in differing if variant.drops_tasks]
    helps = [variant for variant, mean in dropping if mean > 0]
    hurts = [variant for variant, mean in dropping if mean < 0]
    if not dropping:
        yield NOTHING_SHOWN
    else:
        said = [f"{verb} under {_names(which)}" for verb, which in (("helps", helps), ("hurts", hurts)) if which]
        yield f"Here dropping tasks {' and '.join(said)}."


def _single_tasks(findings: Findings) -> Iterator[str]:
    """Count the tasks that differ from `mtl` by themselves: the mean may hide them."""
    said = []
    for variant in findings.variants:
        known = [entry.to_baseline for entry in variant.tasks if entry.to_baseline and entry.to_baseline.is_significant]
        better = sum((difference.mean or 0.0) > 0 for difference in known)
        counts = [f"{count} {side}" for count, side in ((better, "above"), (len(known) - better, "below")) if count]
        said += [f"{one_line(variant.name)} {' and '.join(counts)}"] if counts else []
    if len(said) > MOST_NAMES:
        said = [*said[: MOST_NAMES - 1], f"{len(said) - MOST_NAMES + 1} more variants"]
    if said:
        yield f"Single tasks that differ from mtl beyond chance: {', '.join(said)}."


def _against_single(findings: Findings) -> Iterator[str]:
    if not any(variant.scheduler == "stl" for variant in findings.variants):
        return
    counted = [(variant, variant.num_suffering) for variant in findings.variants if variant.num_suffering is not None]
    if not counted:
        if len(findings.seeds) == 1 and len(findings.variants) > 1:
            yield "One seed cannot tell negative transfer either."
        return
    judged = [sum(entry.suffers is not None for entry in variant.tasks) for variant, _ in counted]
    num_tasks, alike = max(judged), len(set(judged)) == 1
    said = [
        f"{one_line(variant.name)} on {count or 'none'}{'' if alike else f' of {number_of}'}"
        for (variant, count), number_of in zip(counted, judged, strict=True)
    ]
    rate = false_alarm_rate(len(findings.seeds)) or 0.0
    yield (
        f"Negative transfer (worse than alone by more than two standard errors), of {num_tasks} task{'s' if num_tasks > 1 else ''}: "
        f"{', '.join(said)}; "
        f"luck alone would count about {number(rate * num_tasks, 1)} for each."
    )


def _many(findings: Findings) -> Iterator[str]:
    known = findings.all_p()
    if len(known) > 1:
        yield (
            f"{len(known)} p-values of single tasks are shown; if nothing had any effect about {number(SIGNIFICANT * len(known), 1)} of "
            f"them would still lie below {SIGNIFICANT}. The adjusted ones (Holm) allow for that"
        )
    smallest = 2 / (findings.num_resamples + 1)
    if findings.split == "test" and smallest * len(known) > SIGNIFICANT:
        yield (
            f"with {findings.num_resamples} resamples no p-value is below {number(smallest, 4)}, which {len(known)} tests raise above "
            f"{SIGNIFICANT}: no single task can be called different; use --bootstrap {round(4 * len(known) / SIGNIFICANT)}"
        )


def _hardly_dropped(findings: Findings) -> Iterator[str]:
    for variant in findings.variants:
        if variant.drops_tasks and variant.mean_probability is not None and variant.mean_probability >= RARELY_DROPPED:
            yield f"{one_line(variant.name)} hardly dropped anything: its mean P is {number(variant.mean_probability)}, so it is nearly mtl"


def _below_majority(findings: Findings) -> Iterator[str]:
    reference = findings.references["accuracy"][-1]
    means = {one_line(variant.name): variant.overall.measures["accuracy"].mean for variant in findings.variants}
    below = [name for name, mean in means.items() if reference is not None and mean is not None and mean <= reference]
    if below:
        yield f"mean accuracy is not above the majority predictor's {number(reference)}: {', '.join(below)}"


def _undefined(findings: Findings) -> Iterator[str]:
    name = measure_of(findings.metric).name
    # The labels decide it, which are the same for all.
    tasks = [one_line(entry.task) for entry in findings.variants[0].tasks if entry.measures[findings.metric].mean is None]
    if tasks:
        yield f"{name} is not defined for {', '.join(tasks)} on {findings.split}, which means over the tasks leave out"
    has_gain = [variant.relative_gain for variant in findings.variants if variant.relative_gain]
    singles = [variant for variant in findings.variants if variant.scheduler == "stl"]
    known = [entry for variant in singles for entry in variant.tasks if not entry.num_constant]
    values = [value for entry in known for value in entry.measures[findings.metric].values]
    if 0.0 in values and any(gain.mean is None for gain in has_gain):
        yield f"there is no Δm: a task trained alone has a {name} of 0, and nothing can be divided by it"


def _missing(findings: Findings) -> Iterator[str]:
    if findings.split == "val":
        yield "there is no test split: everything is measured on val, and the bootstrap, which needs test answers, is left out"
    untimed = [one_line(variant.name) for variant in findings.variants if variant.seconds.mean is None]
    if untimed:
        yield f"no time for {', '.join(untimed)}: a process of theirs died without an end record"
    if not findings.is_uniform:
        yield "the runs were not all made by the same versions on the same kind of device; a part of any difference may come from that"
    if findings.num_skipped:
        yield f"up to {findings.num_skipped} damaged samples were left out; each run's records.jsonl names them"


def _names(variants: Sequence[VariantFindings]) -> str:
    names = [one_line(variant.name) for variant in variants]
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
