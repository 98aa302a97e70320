"""What dropout draws."""

import torch

from engine.loop.dropout import seed_dropout


def test_every_step_and_rank_draws_its_own_and_again_the_same():
    def drawn(*when):
        seed_dropout(*when)
        return torch.nn.functional.dropout(torch.ones(64)).tolist()

    whens = [(7, 0, 0, 0), (8, 0, 0, 0), (7, 1, 0, 0), (7, 0, 1, 0), (7, 0, 0, 1)]
    first = [drawn(*when) for when in whens]
    assert [drawn(*when) for when in whens] == first
    assert len(set(map(tuple, first))) == len(whens)
