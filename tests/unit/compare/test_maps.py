import numpy as np
import pytest

from engine.compare.maps import MOST_COLUMNS, active_tasks, in_pieces
from engine.show.colours import WHITE


def test_pieces_hold_the_share_of_their_steps():
    masks = np.array([[1, 0], [1, 0], [0, 1], [1, 1], [0, 0]], bool)
    assert in_pieces(masks, 2).tolist() == [[pytest.approx(2 / 3), pytest.approx(1 / 3)], [0.5, 0.5]]
    assert in_pieces(masks, 5).tolist() == masks.astype(float).tolist()
    assert len(in_pieces(np.ones((12710, 8), bool), MOST_COLUMNS)) <= MOST_COLUMNS


def test_each_step_is_a_column_and_each_task_a_row():
    masks = np.array([[True, False], [False, True], [True, True]])
    (axes,) = active_tasks(WHITE, ("Young", "Bald"), masks, num_epochs=1).axes
    assert axes.images[0].get_array().tolist() == [[1, 0, 1], [0, 1, 1]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Young", "Bald"]
    assert axes.get_xlim() == (0, 3)
    assert axes.get_ylim() == (2, 0)
