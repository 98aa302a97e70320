"""A library's weights for gradients, made to fit the terms of a sum."""

import torch
from torch import Tensor
from torchjd.aggregation import Weighting
from torchjd.linalg import PSDMatrix


class TermWeighting(Weighting[PSDMatrix]):
    """Weights w of the terms' gradients g in Σ w·g: 1 throughout for a method that finds nothing to balance.

    Wraps a weighting whose weights do not depend on the gradients' length. Two of the library's do: below a squared length of 1e-4
    CAGrad gives weights of 0 and UPGrad stops to look for conflicts, which would end the training of shared layers when losses become
    small. So the gradients are given to it at length 1.
    """

    def __init__(self, weighting: Weighting[PSDMatrix], *, of_mean: bool) -> None:
        """Wrap a weighting.

        Args:
            weighting: The library's.
            of_mean: It gives the weights of a mean: 1 / m where there is nothing to balance among m gradients.
        """
        super().__init__()
        self._weighting = weighting
        self._of_mean = of_mean

    def forward(self, gramian: Tensor, /) -> Tensor:
        """Return [m] weights.

        Args:
            gramian: [m, m] the gradients' inner products.
        """
        squared_length = gramian.diagonal().sum()
        if not 0 < squared_length < float("inf"):
            # No gradient at all, or one that is not finite: no solver could go on, and the loop ends the run.
            return torch.ones_like(gramian[0])
        weights = self._weighting(gramian / squared_length)
        return weights * len(gramian) if self._of_mean else weights
