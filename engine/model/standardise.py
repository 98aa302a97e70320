"""Features of a frozen trunk, brought to a common scale."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

NUM_SAMPLES = 512
"""Training samples, evenly spread over the split, whose features decide the scale: their deviations are known to 3 %."""
_LEAST_SHARE = 0.05
"""Of the root mean square of all deviations: a feature that varies less is not enlarged further; it may be rounding, or rare."""


class Standardise(nn.Module):
    """Gives each feature mean 0 and deviation 1 over the training split, by statistics that stay what they were at the start.

    What a frozen trunk gives lies anywhere: behind a ReLU nothing is negative, random filters may give a hundredth or a hundred. An
    optimiser's first steps then move all units of the next layer to the same side; those that end below zero for every sample answer 0 for
    ever. Around mean 0 no step can do that to all samples at once.
    """

    def __init__(self, width: int) -> None:
        """Begin as the identity.

        Args:
            width: Number of features.
        """
        super().__init__()
        # Not buffers: DistributedDataParallel would hand them round before every step, and they never change.
        self.shift = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(width), requires_grad=False)

    def forward(self, features: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Return the features on their common scale."""
        return torch.addcmul(self.shift, features, self.scale)

    def measure(self, features: NDArray[np.float64]) -> None:
        """Take the statistics of some samples' features, [n, width].

        Deviations are those of the population (divisor n); where none of the features varies, only the mean is taken.
        """
        mean, deviation = features.mean(0), features.std(0)
        least = _LEAST_SHARE * float(np.sqrt(np.mean(deviation**2)))
        scale = 1 / np.maximum(deviation, least) if least > 0 else np.ones_like(deviation)
        with torch.no_grad():
            self.scale.copy_(torch.from_numpy(scale))
            self.shift.copy_(torch.from_numpy(-mean * scale))
