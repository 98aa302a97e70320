"""Seeds."""

from engine.chance import generator, seed_of, torch_seed


def test_every_argument_changes_the_stream():
    base = (1, "order", 2, 3)
    others = [(2, "order", 2, 3), (1, "mask", 2, 3), (1, "order", 3, 3), (1, "order", 2, 4)]
    draws = [generator(*arguments).integers(0, 2**62) for arguments in (base, base, *others)]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 5


def test_a_use_of_chance_is_seeded_by_the_checksum_of_its_name():
    # CRC-32 of "mask". Names of the same length are strangers, and the numbers are those of every version.
    assert seed_of(7, "mask", 2, 3).entropy == [7, 2138030896, 2, 3]
    assert torch_seed(7, "dropout", 2, 3) == 3177068319422674246


def test_torch_seeds_fit():
    seeds = {torch_seed(0, "dropout", epoch, step) for epoch in range(4) for step in range(50)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)
