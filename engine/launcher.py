"""What launchers leave in the environment: obeyed, or refused in one line; never ignored."""

import os
from collections.abc import Mapping

import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin

from engine.config import Config
from shards.cores import cpu_quota
from shards.errors import ConfigurationError

_RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What `accelerate launch` and torchrun give each of several processes, all of it."""
_NOT_OURS = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism configuration",
}
_SWITCHED_OFF = ("", "0", "false", "no", "n", "f", "off", "none")


def start_accelerator(config: Config) -> Accelerator:
    """Return the accelerator as configured.

    Raises:
        ConfigurationError: The environment asks for something else, or for what cannot be.
    """
    check_environment(config, os.environ)
    # Accumulation is the loop's own; said explicitly, because an environment variable would otherwise scale every gradient.
    plugin = GradientAccumulationPlugin(num_steps=1)
    try:
        accelerator = Accelerator(mixed_precision=config.train.precision, gradient_accumulation_plugin=plugin)
    except (ValueError, ImportError, RuntimeError, AssertionError, KeyError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0][:200]
        raise ConfigurationError(f"accelerate cannot start: {reason}; look at the variables {_set_variables(os.environ)}") from error
    if accelerator.device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(f"there is no GPU for {accelerator.device}; look at the variables {_set_variables(os.environ)}")
    wanted = int(os.environ.get("WORLD_SIZE", "1"))
    if accelerator.num_processes != wanted:
        raise ConfigurationError(
            f"{wanted} processes were started, and each would train alone; on a CPU set ACCELERATE_USE_CPU=true before torchrun or "
            "accelerate launch --multi_gpu"
        )
    return accelerator


def limit_threads() -> None:
    """Let torch compute with no more threads than a container's quota pays for, unless the user says how many.

    More of them wait for each other while the kernel makes the container pause.
    """
    quota, processes = cpu_quota(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if quota is not None and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), max(1, quota // processes)))


def check_environment(config: Config, environment: Mapping[str, str]) -> None:
    """Refuse variables of a launcher that this program does not obey.

    Raises:
        ConfigurationError: There is one; the message names it and the way.
    """
    for variable, name in _NOT_OURS.items():
        if _is_on(environment.get(variable, "")):
            raise ConfigurationError(f"{variable} is {environment[variable]}: this program does not train with {name}; unset it")
    precision = environment.get("ACCELERATE_MIXED_PRECISION", "").lower()
    if precision not in ("", "no", config.train.precision):
        known = f"set --train.precision {precision}" if precision in ("bf16", "fp16") else f"this program does not train in {precision}"
        raise ConfigurationError(
            f"ACCELERATE_MIXED_PRECISION is {precision} (accelerate launch --mixed_precision, or its default_config.yaml), but "
            f"train.precision is {config.train.precision}; {known}, or launch with --mixed_precision no"
        )
    dynamo = environment.get("ACCELERATE_DYNAMO_BACKEND", "")
    if _is_on(dynamo):
        raise ConfigurationError(
            f"ACCELERATE_DYNAMO_BACKEND is {dynamo} (accelerate launch --dynamo_backend, or its default_config.yaml); set --model.compile "
            "true to compile the model, and launch with --dynamo_backend no"
        )
    _check_ranks(environment)


def _check_ranks(environment: Mapping[str, str]) -> None:
    present = [name for name in _RANKS if name in environment]
    if environment.get("WORLD_SIZE", "1") == "1" and not {"RANK", "LOCAL_RANK"} & set(present):
        return
    missing = [name for name in _RANKS if name not in environment]
    if missing:
        named = " and ".join(f"{name} is {environment[name]}" for name in present[:2])
        raise ConfigurationError(
            f"{named}, but {', '.join(missing)} is not set; start with accelerate launch or torchrun, or unset {' '.join(present)}"
        )
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        if not environment[name].isdecimal():
            raise ConfigurationError(f"{name} is {environment[name]!r}, expected a number; start with accelerate launch or torchrun")


def _is_on(value: str) -> bool:
    return value.strip().lower() not in _SWITCHED_OFF


def _set_variables(environment: Mapping[str, str]) -> str:
    names = [name for name in sorted(environment) if name.startswith("ACCELERATE_") or name in _RANKS]
    return ", ".join(f"{name}={environment[name]}" for name in names[:6]) or "of the launcher (none is set)"
