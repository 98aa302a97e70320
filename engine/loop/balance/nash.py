"""Multi-task learning as a bargaining game."""

import warnings
from collections.abc import Mapping, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torchjd.aggregation import NashMTL, WeightedAggregator, Weighting
from torchjd.linalg import Matrix

from engine.loop.balance.gradients import GradientBalancer


class NashBalancer(GradientBalancer):
    """The tasks bargain for the direction of each step (Navon et al., Multi-Task Learning as a Bargaining Game, ICML 2022).

    The gradient on shared parameters is Σ w·∇L, in which w(t) is one by what the direction does for task t: it would be √T long, and is
    shortened to length 1. w is found anew in every step, by up to 20 rounds of a convex programme that begin at the w before: that is its
    memory. Where the solver finds none, w stays. All of this is the library's default, and that of the authors' code. That one multiplies
    the gradients on the tasks' own parameters by w, too; here they are ∇L/T, as for the other methods.
    """

    def __init__(
        self, accelerator: Accelerator, num_tasks: int, *, shared: Sequence[nn.Parameter], own: Sequence[nn.Parameter], seed: int
    ) -> None:
        """Begin with w = 1.

        Args:
            accelerator: The ranks.
            num_tasks: T.
            shared: Parameters that several tasks train.
            own: All other trained parameters.
            seed: The run's seed.
        """
        self._nash = NashMTL(num_tasks)
        super().__init__(accelerator, WeightedAggregator(_Bargain(self._nash)), shared=shared, own=own, seed=seed)

    def tensors(self) -> dict[str, Tensor]:
        """Return w, for gradients of length 1 together."""
        return {"weights": torch.tensor(self._nash.weighting.prvs_alpha)}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore it.

        Raises:
            ValueError: It is damaged.
        """
        weights = tensors["weights"]
        if weights.shape != (len(self._nash.weighting.prvs_alpha),) or not weights.is_floating_point():
            raise ValueError(f"the balancer's weights are {weights.dtype} {tuple(weights.shape)}")
        # The programme is built again at the next step, which counts as the first.
        self._nash.reset()
        self._nash.weighting.prvs_alpha = weights.numpy()


class _Bargain(Weighting[Matrix]):
    """The library's weights, found for gradients of length 1 together: of very short ones its solver makes nothing."""

    def __init__(self, nash: NashMTL) -> None:
        super().__init__()
        self._nash = nash.weighting

    def forward(self, matrix: Tensor, /) -> Tensor:
        lengths = torch.linalg.vector_norm(matrix, dim=1)
        length = torch.linalg.vector_norm(lengths)
        if ((lengths > 0) & lengths.isfinite()).all():
            with warnings.catch_warnings():
                # That it compiles the programme anew at every step, that a solution may be inaccurate, that there is none.
                warnings.simplefilter("ignore")
                return self._nash(matrix / length) / length
        # A task without a gradient has nothing to bargain for, and the solver may give NaN.
        weights = torch.as_tensor(self._nash.prvs_alpha).to(matrix)
        shortened = weights / torch.linalg.vector_norm(weights @ matrix).clamp(min=length)
        return torch.where(length > 0, shortened, weights)
