"""How tasks are weighed against one another, by TorchJD.

All balancers train in the same loop, under the same masks. What they balance are the terms of the step loss, L(t) / T of the tasks that a
step trains; the step loss in the records stays the plain sum of these, so that runs of different balancers can be compared.

| `loss.balancer` | source | gradient on what tasks share, T tasks | scheduler |
|---|---|---|---|
| `none` | | ∇ Σ L/T | any |
| `torchjd.equal` | | ∇ Σ L/T: the same, by way of the library | drops or not |
| `torchjd.uncertainty` | Kendall et al. 2018 | ∇ Σ (½ exp(-s)·L + ½ s)/T, s(t) learnt, 0 at first | drops or not |
| `torchjd.dwa` | Liu et al. 2019 | ∇ Σ w·L/T, w(t) from V(k, t), Σ w = T | drops or not |
| `torchjd.famo` | Liu et al. 2023 | ∇ Σ w·L, w(t) from each step's effect, Σ w = 1 | `mtl` |
| `torchjd.pcgrad` | Yu et al. 2020 | Σ ∇L/T, each projected where it conflicts with another, in an order drawn | drops or not |
| `torchjd.cagrad` | Liu et al. 2021 | Σ ∇L/T, and 0.4 of its length towards the least improved task | drops or not |
| `torchjd.upgrad` | Quinton & Rey 2024 | Σ ∇L/T, each projected so that it conflicts with none | drops or not |
| `torchjd.nash_mtl` | Navon et al. 2022 | Σ w·∇L, w(t) by bargaining, 1 long | `mtl` |

"Drops or not" is `mtl`, `dst`, `random`, `drop_balanced`. A balancer is refused with `stl`, and with one task: there is nothing to weigh;
and with `static`, which weighs already. `famo` learns a task's weight from how the loss answers to it, and the state of `nash_mtl` belongs
to a fixed number of tasks: they are refused with schedulers that drop, and where a training sample lacks a task's label. `famo` and the
methods on gradients need the whole batch before they can weigh: a process's share cannot be trained in parts. The methods on gradients are
refused with fp16 (gradients would have to be freed of the loss's scale before they are put together), with `model.compile` (a compiled
model runs one backward pass), and where a task shares no trained layer with another. They leave what only one task trains at ∇L/T.
"""
