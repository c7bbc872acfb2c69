"""How a photograph becomes an input: described as JSON, and done with Pillow as torchvision does it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy
from PIL import Image
from torch import nn

TORCHVISION: dict[str, Any] = {
    "resize": {"mode": "shorter-edge", "size": 256},
    "interpolation": "bilinear",
    "crop": [224, 224],
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "channels": 3,
}

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


class PreprocessingError(Exception):
    """A description that does not follow the schema."""


def from_timm(module: nn.Module) -> dict[str, Any]:
    """The preprocessing that a timm model carries in its configuration."""
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    if not config:
        raise PreprocessingError("the module has no configuration of timm's: describe the preprocessing as JSON")
    channels, height, width = config["input_size"]
    percentage = config.get("crop_pct", 0.875)
    if config.get("crop_mode", "center") == "squash" or height != width:
        resize: dict[str, Any] = {"mode": "squash", "size": [height, width]}
    else:
        resize = {"mode": "shorter-edge", "size": math.floor(height / percentage)}
    return {
        "resize": resize,
        "interpolation": config.get("interpolation", "bicubic"),
        "crop": [height, width],
        "mean": list(config["mean"]),
        "std": list(config["std"]),
        "channels": channels,
    }


def read(text: str, module: nn.Module) -> dict[str, Any]:
    """`torchvision`, `timm`, a JSON object, or the name of a file with one."""
    if text == "torchvision":
        return TORCHVISION
    if text == "timm":
        return from_timm(module)
    try:
        source = text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8")
        value = json.loads(source)
    except OSError as error:
        raise PreprocessingError(f"{text}: neither torchvision, timm, JSON nor a readable file: {error}") from error
    except json.JSONDecodeError as error:
        raise PreprocessingError(f"not JSON: {error}") from error
    value = value.get("preprocessing", value) if isinstance(value, dict) else value
    check(value)
    return value


def check(value: Any) -> None:
    """Raises when a description has other keys or values than the schema's."""
    if not isinstance(value, dict):
        raise PreprocessingError("the preprocessing is no JSON object")
    unknown = set(value) - set(TORCHVISION)
    missing = set(TORCHVISION) - set(value)
    if unknown or missing:
        raise PreprocessingError(f"unknown keys {sorted(unknown)}, missing keys {sorted(missing)}")
    channels = value["channels"]
    if channels not in (1, 3):
        raise PreprocessingError(f"channels is {channels}, not 1 or 3")
    for key in ("mean", "std"):
        if not isinstance(value[key], list) or len(value[key]) != channels:
            raise PreprocessingError(f"{key} has not one number for each of {channels} channels")
    if value["interpolation"] not in _FILTERS:
        raise PreprocessingError(f"interpolation is {value['interpolation']}, not one of {', '.join(_FILTERS)}")
    if value["resize"].get("mode") not in ("shorter-edge", "squash", "none"):
        raise PreprocessingError("resize.mode is not shorter-edge, squash or none")


def _resize(image: Image.Image, resize: dict[str, Any], interpolation: str) -> Image.Image:
    mode, size = resize["mode"], resize.get("size")
    if mode == "none":
        return image
    width, height = image.size
    if mode == "squash":
        target = (size[1], size[0]) if isinstance(size, list) else (size, size)
    elif width <= height:
        target = (size, int(size * height / width))
    else:
        target = (int(size * width / height), size)
    return image if target == image.size else image.resize(target, _FILTERS[interpolation])


def apply(image: Image.Image, value: dict[str, Any]) -> numpy.ndarray:
    """The input (C, H, W) in float32 that an image becomes."""
    image = image.convert("L" if value["channels"] == 1 else "RGB")
    image = _resize(image, value["resize"], value["interpolation"])
    if value["crop"] is not None:
        height, width = value["crop"]
        left = int(round((image.width - width) / 2.0))
        top = int(round((image.height - height) / 2.0))
        image = image.crop((left, top, left + width, top + height))
    pixels = numpy.asarray(image, dtype=numpy.uint8)
    pixels = pixels.reshape(image.height, image.width, value["channels"]).transpose(2, 0, 1)
    mean = numpy.array(value["mean"], dtype=numpy.float32).reshape(-1, 1, 1)
    deviation = numpy.array(value["std"], dtype=numpy.float32).reshape(-1, 1, 1)
    return (pixels.astype(numpy.float32) / numpy.float32(255) - mean) / deviation
