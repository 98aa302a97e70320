"""Seeds."""

from engine.chance import generator, torch_seed


def test_every_argument_changes_the_stream():
    base = (1, "order", 2, 3)
    others = [(2, "order", 2, 3), (1, "mask", 2, 3), (1, "order", 3, 3), (1, "order", 2, 4)]
    draws = [generator(*arguments).integers(0, 2**62) for arguments in (base, base, *others)]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 5


def test_torch_seeds_fit():
    seeds = {torch_seed(0, "dropout", epoch, step) for epoch in range(4) for step in range(50)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)
