"""Eight tasks of unequal difficulty, labels and noise, two of which are spoilt by what two others teach: docs/conflict.md says why.

Each task's label tells of one attribute, its source. Sources are drawn with even chances, independently of everything else, so that no task
can be answered from another's source, except where the choice of the training faces that are labelled makes it look so.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shards.errors import ConfigurationError
from shards.faces.attributes import NAMES, draw_attributes
from shards.faces.chance import generator
from shards.faces.layout import split_starts

Role = Literal["easy", "fine", "rich", "tied", "few", "noisy"]
Plant = Literal["ties", "noise"]

NOT_LABELLED = -1
SPLITS = (7, 1, 2)
"""Proportions of train, val and test: a test split large enough for differences of two points."""

_ABSENT = ("Mustache", "Sideburns", "Bald", "Receding_Hairline", "Wearing_Necklace")
_PRESENT = ("No_Beard",)
"""Attributes that would hide a source, or be hidden by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedTask:
    """One task and what is planted in its training labels. Labels of val and test are complete and true."""

    name: str
    """Name of the label's column."""
    source: str
    """Attribute that the label tells of."""
    role: Role
    """What it is there for."""
    labelled_share: float = 1.0
    """Share of the training faces that are labelled, in (0, 1]."""
    noise_rate: float = 0.0
    """Share of the training labels that are wrong, below 0.5."""
    tied_to: str = ""
    """Task whose source agrees with this one's on the labelled training faces."""
    agreement: float = 0.5
    """Share of the labelled training faces on which the two sources agree; 0.5 is chance, as in val and test."""


TASKS = (
    PlantedTask(name="Easy_Hat", source="Wearing_Hat", role="easy"),
    PlantedTask(name="Fine_Earrings", source="Wearing_Earrings", role="fine"),
    PlantedTask(name="Rich_Glasses", source="Eyeglasses", role="rich"),
    PlantedTask(name="Rich_Stubble", source="5_o_Clock_Shadow", role="rich"),
    PlantedTask(name="Tied_Bangs", source="Bangs", role="tied", labelled_share=0.1, tied_to="Rich_Glasses", agreement=1.0),
    PlantedTask(name="Tied_Goatee", source="Goatee", role="tied", labelled_share=0.1, tied_to="Rich_Stubble", agreement=1.0),
    PlantedTask(name="Few_Necktie", source="Wearing_Necktie", role="few", labelled_share=0.03),
    PlantedTask(name="Noisy_Paleness", source="Pale_Skin", role="noisy", noise_rate=0.4),
)
_SOURCES = [NAMES.index(task.source) for task in TASKS]


def planted_tasks(leave_out: Collection[Plant] = ()) -> tuple[PlantedTask, ...]:
    """Return the tasks without some of what is planted: tasks without ties have as many labels on average."""
    tasks = TASKS
    if "ties" in leave_out:
        tasks = tuple(replace(task, tied_to="", agreement=0.5) for task in tasks)
    if "noise" in leave_out:
        tasks = tuple(replace(task, noise_rate=0.0) for task in tasks)
    return tasks


def draw_sources(seed: int, indices: Sequence[int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Draw the attributes of some faces with every source as likely as not; each face depends on (seed, index) alone.

    Returns:
        What to draw, [len(indices), 40] in the order of `NAMES`, twice: it takes the place of `draw_attributes`.
    """
    drawn, _ = draw_attributes(seed, indices)
    drawn[:, [NAMES.index(name) for name in _ABSENT]] = False
    drawn[:, [NAMES.index(name) for name in _PRESENT]] = True
    drawn[:, _SOURCES] = _has_sources(_chances(seed, indices))
    return drawn, drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labels of a whole data set."""

    written: NDArray[np.int8]
    """[images, tasks] 1, 0, or -1 for not labelled."""
    true: NDArray[np.bool_]
    """[images, tasks] what the faces show."""
    starts: tuple[int, int]
    """First image of val, first of test."""


def draw_labels(seed: int, num_images: int, tasks: Sequence[PlantedTask]) -> Labels:
    """Draw the labels of a data set.

    A tie falsifies nothing: it decides who is labelled. Of the faces on which the two sources agree a share 2 · labelled_share · agreement
    is labelled, of the others 2 · labelled_share · (1 - agreement). As both kinds are equally frequent, labelled_share of all faces are.

    Args:
        seed: Seed of the data set, at least 0.
        num_images: Number of images, at least 1.
        tasks: As `planted_tasks` returns them.

    Raises:
        ConfigurationError: A task would have training labels of one kind only, or a split no images.
    """
    chances = _chances(seed, range(num_images))
    true = _has_sources(chances)
    starts = split_starts(num_images, SPLITS)
    if not 0 < starts[0] < starts[1] < num_images:
        raise ConfigurationError(f"--num-images is {num_images}: a split of --conflict would be empty; draw more")
    written = true.astype(np.int8)
    train = slice(0, starts[0])
    names = [task.name for task in tasks]
    for column, task in enumerate(tasks):
        agrees = true[train, column] == true[train, names.index(task.tied_to)] if task.tied_to else np.ones(starts[0], np.bool_)
        share = task.labelled_share * (2 * np.where(agrees, task.agreement, 1 - task.agreement) if task.tied_to else 1)
        wrong = chances[train, 2, column] < task.noise_rate
        labels = np.where(chances[train, 1, column] < share, true[train, column] ^ wrong, NOT_LABELLED)
        if not {0, 1} <= set(labels.tolist()):
            raise ConfigurationError(f"--num-images is {num_images}: {task.name} would not have training labels of both kinds; draw more")
        written[train, column] = labels
    return Labels(written=written, true=true, starts=starts)


def _chances(seed: int, indices: Sequence[int]) -> NDArray[np.float64]:
    """Return [faces, 3, tasks] uniform numbers: for the source, for who is labelled, for who is labelled wrongly."""
    return np.stack([generator(seed, index, "conflict").random((3, len(TASKS))) for index in indices])


def _has_sources(chances: NDArray[np.float64]) -> NDArray[np.bool_]:
    return chances[:, 0] < 0.5
