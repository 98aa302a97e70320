"""What a rank says when another one is gone; the real thing is in tests/faults/test_loader_ranks.py."""

import pytest
from accelerate import Accelerator
from torch.distributed import DistNetworkError

from engine.loop.lost_rank import lost_ranks_told
from shards.errors import RankLostError

GLOO = RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:21345")


@pytest.fixture
def ranks(monkeypatch):
    """An accelerator that believes in so many processes."""

    def pretend(number: int) -> Accelerator:
        monkeypatch.setattr(Accelerator, "num_processes", number)
        return Accelerator(cpu=True)

    return pretend


@pytest.mark.parametrize("error", [GLOO, DistNetworkError("the server is gone"), RuntimeError("NCCL communicator was aborted")])
def test_a_broken_connection_is_told_in_words(ranks, error):
    with pytest.raises(RankLostError, match=r"^process 0: another process of this run has ended"), lost_ranks_told(ranks(2)):
        raise error


@pytest.mark.parametrize(("number", "error"), [(1, GLOO), (2, RuntimeError("shapes differ")), (2, ValueError("gloo"))])
def test_any_other_error_stays_what_it_is(ranks, number, error):
    with pytest.raises(type(error)) as caught, lost_ranks_told(ranks(number)):
        raise error
    assert caught.value is error
