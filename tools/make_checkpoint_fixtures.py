"""Writes fixtures/checkpoints: a small checkpoint for each kind that torch.save writes, and what is in it.

    python3 tools/make_checkpoint_fixtures.py

`expected.json` says of every file where its state dict is and which tensors it has, in order; `expected.npz` has
their values, each once, under the names given there: floats as float64, integers as int64 (uint64 where needed).
"""

import argparse
import json
import pathlib
from collections import OrderedDict

import numpy
import torch
from torch import nn

from checkpoint_files import (
    ORDERED_DICT, Call, Global, floats, legacy_stream, saved, saved_legacy, storage, zip_bytes, zip_entries,
)

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "checkpoints"

expected = {}
arrays = {}


def add(name, data, state_dict, key=None, path="", prefix="", error=None):
    """Writes a file and notes what must be read from it.

    `key`: what to ask for; `path`: where the state dict is found; `error`: the code without `key`.
    """
    assert len(data) <= 20_000, name
    (FOLDER / name).write_bytes(data)
    tensors = []
    for full_key, value in state_dict.items():
        value = value.detach()
        wide = value.double() if value.dtype.is_floating_point else value
        array = wide.numpy()
        if array.dtype != numpy.uint64 and not value.dtype.is_floating_point:
            array = array.astype(numpy.int64)
        short_key = full_key.removeprefix(prefix)
        dtype = str(value.dtype).removeprefix("torch.")
        tensors.append({"key": short_key, "dtype": dtype, "array": array_name(array)})
    entry = {"tensors": tensors, "path": path, "prefix": prefix}
    if key is not None:
        entry["state_dict_key"] = key
    if error is not None:
        entry["error_without_key"] = error
    expected[name] = entry


def array_name(array):
    """The name of an array with these values, which is added when there is none yet."""
    array = numpy.ascontiguousarray(array).reshape(array.shape)
    for name, known in arrays.items():
        if known.dtype == array.dtype and known.shape == array.shape and known.tobytes() == array.tobytes():
            return name
    name = str(len(arrays))
    arrays[name] = array
    return name


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(conv=nn.Conv2d(3, 4, 3, bias=False), norm=nn.BatchNorm2d(4), fc=nn.Linear(4, 2)))


def prefixed(state_dict, prefix):
    return OrderedDict((prefix + key, value) for key, value in state_dict.items())


def relocated(data, location):
    """The file with all its tensors said to be on another device."""
    def text(value):
        return b"X" + len(value).to_bytes(4, "little") + value

    return zip_bytes([
        (name, payload.replace(text(b"cpu"), text(location)) if name.endswith("data.pkl") else payload)
        for name, payload in zip_entries(data)
    ])


def plain_files():
    state = network().state_dict()
    add("plain.pth", saved(state), state)
    add("protocol-4.pth", saved(state, pickle_protocol=4), state)
    add("legacy.pth", saved_legacy(state), state)
    add("legacy-protocol-4.pth", saved_legacy(state, pickle_protocol=4), state)
    for name, prefix in [("data-parallel", "module."), ("compiled", "_orig_mod."),
                         ("compiled-data-parallel", "module._orig_mod.")]:
        wrapped = prefixed(state, prefix)
        add(f"{name}.pth", saved(wrapped), wrapped, prefix=prefix)
    partly = prefixed(state, "module.")
    partly["extra"] = torch.ones(2)
    add("partly-prefixed.pth", saved(partly), partly)
    add("cuda.pth", relocated(saved(state), b"cuda:0"), state)
    add("mps.pth", relocated(saved(state), b"mps:0"), state)
    torch.serialization.set_crc32_options(False)
    add("no-crc.pth", saved(state), state)
    torch.serialization.set_crc32_options(True)


def legacy_v1():
    """As Python 2 and torch 0.3 wrote it: `_rebuild_tensor`, and the entries as a list of pairs."""
    def rebuilt(key, numel, offset, size, stride):
        stored = storage(key, "FloatStorage", numel, legacy=True)
        return Call(Global("torch._utils", "_rebuild_tensor"), stored, offset, size, stride)

    value = Call(ORDERED_DICT, [
        ["fc.weight", rebuilt("94", 6, 0, (2, 3), (3, 1))],
        ["fc.bias", Call(Global("torch.nn.parameter", "Parameter"), rebuilt("95", 4, 1, (2,), (2,)), True)],
    ])
    data = legacy_stream(value, {"94": (6, floats(0, 1, 2, 3, 4, 5)), "95": (4, floats(9, 8, 7, 6))})
    add("legacy-v1.pth", data,
        {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.tensor([8.0, 6.0])})


def training_files():
    model = network()
    optimizer = torch.optim.AdamW(model.parameters())
    sum(parameter.sum() for parameter in model.parameters()).backward()
    optimizer.step()
    state = model.state_dict()
    training = {
        "epoch": 7, "arch": "tiny", "best_acc1": torch.tensor(76.1), "state_dict": prefixed(state, "module."),
        "optimizer": optimizer.state_dict(), "args": argparse.Namespace(lr=0.1, data="images"),
        "scheduler": {"last_epoch": 7, "_last_lr": [0.1]}, "history": [0.5, 0.25], "rng_state": torch.zeros(4),
    }
    add("training.pth", saved(training), training["state_dict"], path="state_dict", prefix="module.")
    add("training-legacy.pth", saved_legacy(training), training["state_dict"], path="state_dict", prefix="module.")

    deep = {"engine": {"net.main": state, "steps": 3}, "optim": optimizer.state_dict()}
    add("nested.pth", saved(deep), state, path="engine.net.main")
    add("nested-by-key.pth", saved(deep), state, key="engine.net.main", path="engine.net.main")

    average = OrderedDict((key, value * 2) for key, value in state.items())
    add("ambiguous.pth", saved({"state_dict": state, "ema": average}), average, key="ema", path="ema",
        error="checkpoint.ambiguous-state-dict")
    mixed = OrderedDict(state)
    mixed.update(epoch=3, args=argparse.Namespace(lr=0.1), optimizer=optimizer.state_dict())
    add("mixed.pth", saved(mixed), state)

    neighbours = {
        "net": state,
        "others": [torch.ones(2, dtype=torch.complex64), torch.eye(2).to_sparse(),
                   torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
                   torch.ones(2).to(torch.float8_e4m3fn), numpy.ones(2)],
    }
    add("unread-neighbours.pth", saved(neighbours), state, path="net")
    add("unread-neighbours-legacy.pth", saved_legacy({"net": state, "others": neighbours["others"][:3]}), state,
        path="net")


def view_files():
    torch.manual_seed(1)
    base = torch.randn(4, 6)
    image = torch.randn(2, 3, 4, 5)
    views = OrderedDict(
        [("tied.a", base), ("tied.b", base), ("slice", base[1:3, 2:5]), ("row", base[2]), ("transposed", base.t()),
         ("channels_last", image.to(memory_format=torch.channels_last)), ("permuted", image.permute(3, 0, 2, 1)),
         ("expanded", torch.arange(3.0).reshape(1, 3, 1).expand(2, 3, 4)), ("step", base[::2, ::3]),
         ("scalar", torch.tensor(2.5)), ("empty", torch.zeros(0, 3)), ("empty.slice", base[4:])])
    add("views.pth", saved(views), views)
    add("views-legacy.pth", saved_legacy(views), views)


def wrapper_files():
    torch.manual_seed(2)
    with_state = nn.Parameter(torch.randn(3))
    with_state.tag = "kept"
    annotated = torch.randn(2, 2)
    annotated.origin = "somewhere"
    wrapped = OrderedDict(
        [("parameter", nn.Parameter(torch.randn(2, 3))), ("frozen", nn.Parameter(torch.ones(2), requires_grad=False)),
         ("with_state", with_state), ("annotated", annotated), ("buffer", nn.Buffer(torch.randn(2)))])
    add("parameters.pth", saved(wrapped), wrapped)


def dtype_files():
    torch.manual_seed(3)
    values = torch.randn(2, 5) * 50
    state = OrderedDict()
    for dtype in [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.uint8, torch.int16,
                  torch.int32, torch.int64, torch.bool]:
        source = values.abs() if dtype == torch.uint8 else values
        state[str(dtype).removeprefix("torch.")] = source.to(dtype)
    state["float32"][0, :3] = torch.tensor([float("inf"), float("-inf"), float("nan")])
    state["int64"][0, :2] = torch.tensor([2**63 - 1, -(2**63)])
    add("dtypes.pth", saved(state), state)
    add("dtypes-legacy.pth", saved_legacy(state), state)
    widths = {"uint16": 2, "uint32": 4, "uint64": 8}
    unsigned = OrderedDict(
        (name, torch.tensor([0, 1, 2 ** (8 * width) - 1], dtype=getattr(torch, name)))
        for name, width in widths.items())
    add("unsigned.pth", saved(unsigned), unsigned)
    add("big-endian.pth", big_endian(state), state)


def big_endian(state):
    """The file that a big-endian machine writes: the bytes of every element in the other order."""
    entries, sizes = [], [value.element_size() for value in state.values()]
    for name, payload in zip_entries(saved(state)):
        if name.endswith("/byteorder"):
            payload = b"big"
        elif "/data/" in name:
            size = sizes[int(name.rsplit("/", 1)[1])]
            payload = b"".join(payload[i:i + size][::-1] for i in range(0, len(payload), size))
        entries.append((name, payload))
    return zip_bytes(entries)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    plain_files()
    legacy_v1()
    training_files()
    view_files()
    wrapper_files()
    dtype_files()
    lines = ",\n".join(f'"{name}": {json.dumps(entry)}' for name, entry in sorted(expected.items()))
    (FOLDER / "expected.json").write_text("{" + lines + "}\n")
    numpy.savez_compressed(FOLDER / "expected.npz", **arrays)
    print(f"{len(expected)} checkpoints in {FOLDER}")


if __name__ == "__main__":
    main()
