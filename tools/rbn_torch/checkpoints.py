"""Reads checkpoints of `torch.save` into modules."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

# Where training scripts put the weights, in the order of preference.
_NESTED_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
_PREFIXES = ("module.", "_orig_mod.")


class CheckpointError(Exception):
    """A checkpoint that can't be used, with the reason and what to do."""


def _is_state_dict(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(v, Tensor) for v in value.values())


def load_state_dict(path: Path, key: str | None = None) -> dict[str, Tensor]:
    """The state dict in a checkpoint: under `key` (dots descend), or found by itself; wrapper prefixes are removed."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file") from None
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: holds more than weights, and is not executed: {reason}") from error
    except (RuntimeError, EOFError, ValueError) as error:
        raise CheckpointError(f"{path}: can't be read as a checkpoint: {error}") from error
    if key is not None:
        for part in key.split("."):
            if not isinstance(content, dict) or part not in content:
                names = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
                raise CheckpointError(f"{path}: has no {part} on the way to {key}; there is: {names}")
            content = content[part]
    elif not _is_state_dict(content) and isinstance(content, dict):
        content = next((content[name] for name in _NESTED_KEYS if _is_state_dict(content.get(name))), content)
    if not _is_state_dict(content):
        names = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise CheckpointError(f"{path}: no state dict found; name it with --state-dict-key. There is: {names}")
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in content):
            content = {name.removeprefix(prefix): value for name, value in content.items()}
    return content


def load_into(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Loads a state dict that must fit exactly; the error lists everything that does not."""
    own = module.state_dict()
    problems = [f"{name} is missing" for name in own if name not in state and "num_batches_tracked" not in name]
    problems += [f"{name} is unexpected" for name in state if name not in own]
    problems += [
        f"{name} has shape {tuple(state[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if problems:
        raise CheckpointError("the checkpoint does not fit the module: " + "; ".join(problems))
    module.load_state_dict(state, strict=False)


def round_weights(module: nn.Module, dtype: torch.dtype) -> None:
    """Rounds every floating-point weight to a narrower type and back, so that storing it so loses nothing."""
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if not value.is_floating_point():
                continue
            rounded = value.to(dtype).to(value.dtype)
            if not torch.isfinite(rounded).all() and torch.isfinite(value).all():
                raise CheckpointError(f"{name} has values beyond the range of {dtype}")
            value.copy_(rounded)
