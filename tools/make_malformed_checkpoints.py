"""Writes fixtures/malformed/checkpoint-*: files that look like checkpoints and are not, named by their defect.

    python3 tools/make_malformed_checkpoints.py

`checkpoint-expected.json` maps each file to the code of the error that it must give. Some of the pickles would
run code if Python loaded them: they only ever call `print` or name a function without calling it.
"""

import io
import json
import pathlib
import pickle
import struct
import tarfile
from collections import OrderedDict

import numpy
import torch
from torch import nn

from checkpoint_files import (
    ORDERED_DICT, Call, Global, Stored, checkpoint_entries, checkpoint_zip, float_tensor, floats, legacy_stream,
    pickled, saved, storage, tensor, zip_bytes,
)

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "malformed"
expected = {}

DATA = {"0": floats(1, 2, 3, 4, 5, 6)}
WEIGHT = {"fc.weight": float_tensor("0", 2, 3)}
GOOD = checkpoint_zip(WEIGHT, DATA)


def add(name, data, code):
    assert len(data) <= 20_000, name
    name = f"checkpoint-{name}"
    (FOLDER / name).write_bytes(data)
    expected[name] = code


def zipped(name, value, code, storages=DATA, **options):
    add(name, checkpoint_zip(value, storages, **options), code)


def view(offset, size, stride, numel=6):
    return {"fc.weight": tensor(storage("0", "FloatStorage", numel), offset, size, stride)}


def archives():
    entries = checkpoint_entries(WEIGHT, DATA)
    add("truncated.pth", GOOD[:-40], "archive.truncated")
    damaged = bytearray(GOOD)
    damaged[GOOD.index(DATA["0"])] ^= 1
    add("crc.pth", bytes(damaged), "archive.crc-mismatch")
    add("two-roots.pth", zip_bytes(entries + [("other/data/1", b"")]), "checkpoint.archive-root")
    add("outside-root.pth", zip_bytes(entries + [("stray", b"")]), "checkpoint.archive-root")
    add("deflate.pth", zip_bytes(entries, deflated=["archive/data/0"]), "archive.compressed-entry")
    add("duplicate-entry.pth", zip_bytes(entries + [("archive/data/0", b"")]), "archive.duplicate-entry")
    add("dotdot.pth", zip_bytes(entries + [("archive/../evil", b"")]), "archive.unsafe-name")
    zipped("missing-version.pth", WEIGHT, "checkpoint.missing-version", version=None)
    zipped("version-text.pth", WEIGHT, "checkpoint.missing-version", version=b"three")
    zipped("version-99.pth", WEIGHT, "checkpoint.unsupported-version", version=b"99\n")
    zipped("version-0.pth", WEIGHT, "checkpoint.unsupported-version", version=b"0\n")
    zipped("byteorder.pth", WEIGHT, "checkpoint.byte-order", byteorder=b"middle")
    torchscript = entries + [("archive/constants.pkl", pickled(())), ("archive/code/__torch__.py", b"")]
    add("torchscript.pt", zip_bytes(torchscript), "checkpoint.torchscript")
    add("no-pickle.pth", zip_bytes(entries[1:]), "checkpoint.other-format")
    add("missing-storage.pth", zip_bytes([e for e in entries if "/data/" not in e[0]]), "checkpoint.missing-storage")
    zipped("storage-size.pth", WEIGHT, "checkpoint.storage-size", {"0": floats(1, 2, 3, 4, 5)})


def pickles():
    weight = pickled(WEIGHT)
    zipped("os-system.pth", {"a": Call(Global("os", "system"), "true"), **WEIGHT}, "pickle.unsafe-global")
    zipped("posix-system.pth", Call(Global("posix", "system"), "true"), "pickle.unsafe-global")
    zipped("builtins-eval.pth", {"a": Call(Global("builtins", "eval"), "1"), **WEIGHT}, "pickle.unsafe-global")
    zipped("builtins-getattr.pth", {"a": Global("builtins", "getattr"), **WEIGHT}, "pickle.unsafe-global")
    zipped("sys-modules.pth", {"a": Global("sys", "modules"), **WEIGHT}, "pickle.unsafe-global")
    dotted = b"\x80\x04\x8c\x05torch\x8c\x14serialization.os.sep\x93."
    zipped("dotted-global.pth", dotted, "pickle.unsafe-global")
    zipped("global-not-text.pth", b"\x80\x04K\x01K\x02\x93.", "pickle.invalid-global")
    zipped("unknown-opcode.pth", weight[:-1] + b"\xff.", "pickle.unknown-opcode")
    zipped("text-opcode.pth", b"\x80\x02I1\n.", "pickle.refused-opcode")
    zipped("extension-opcode.pth", b"\x80\x02\x82\x01.", "pickle.refused-opcode")
    zipped("protocol-0.pth", b"(dp0\n.", "pickle.protocol")
    zipped("protocol-9.pth", b"\x80\x09" + weight[2:], "pickle.protocol")
    zipped("pickle-truncated.pth", weight[:-20], "pickle.truncated")
    zipped("string-length.pth", b"\x80\x02X\xff\xff\xff\x7fabc.", "pickle.truncated")
    zipped("frame-length.pth", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff}.", "pickle.truncated")
    zipped("pickle-trailing.pth", weight + b"N.", "pickle.trailing-bytes")
    zipped("stack-underflow.pth", b"\x80\x02R.", "pickle.stack-underflow")
    zipped("mark-underflow.pth", b"\x80\x02Nu.", "pickle.stack-underflow")
    zipped("memo.pth", b"\x80\x02h\x07.", "pickle.undefined-memo")
    zipped("setitem-on-list.pth", b"\x80\x02]K\x01K\x02s.", "pickle.type-mismatch")
    zipped("call-of-number.pth", b"\x80\x02K\x01)R.", "pickle.type-mismatch")
    zipped("odd-setitems.pth", b"\x80\x02}(K\x01u.", "pickle.type-mismatch")
    zipped("unbalanced.pth", b"\x80\x02}}.", "pickle.type-mismatch")
    # Each list holds the previous one twice: 2^60 values when unfolded, 60 when shared.
    doubling = b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(60))
    zipped("nested-bomb.pth", b"\x80\x02(]q\x00" + doubling + b"t.", "checkpoint.no-state-dict")
    zipped("deep-tuples.pth", b"\x80\x02)" + b"\x85" * 15_000 + b".", "checkpoint.no-state-dict")


def tensors():
    code = "tensor.invalid-view"
    zipped("stride-out-of-range.pth", view(0, (2, 3), (4, 1)), code)
    zipped("offset-out-of-range.pth", view(1, (2, 3), (3, 1)), code)
    zipped("overflow.pth", view(0, (2, 2), (2**62, 2**62)), code)
    zipped("offset-overflow.pth", view(2**63 - 1, (2, 2), (2, 1)), code)
    zipped("size-overflow.pth", view(0, (2**40, 2**40), (0, 0)), "tensor.invalid-shape")
    zipped("expanded-bomb.pth", view(0, (2**36,), (0,)), "tensor.oversized-view")
    malformed = "checkpoint.malformed-tensor"
    zipped("negative-size.pth", view(0, (-2, 3), (3, 1)), malformed)
    zipped("negative-stride.pth", view(5, (6,), (-1,)), malformed)
    zipped("negative-numel.pth", view(0, (2, 3), (3, 1), numel=-6), malformed)
    zipped("size-beyond-64-bits.pth", view(0, (2**80,), (1,)), malformed)
    zipped("rank.pth", view(0, (2, 3), (3,)), malformed)
    zipped("no-arguments.pth", {"a": Call(Global("torch._utils", "_rebuild_tensor_v2"))}, malformed)
    endless = float_tensor("0", 2, 3)
    for _ in range(20):
        endless = Call(Global("torch._utils", "_rebuild_parameter"), endless, True, Call(ORDERED_DICT))
    zipped("wrapped-too-often.pth", {"a": endless}, malformed)
    numel = tensor(storage("0", "FloatStorage", 2**62), 0, (2, 3), (3, 1))
    zipped("numel-overflow.pth", {"a": numel}, "checkpoint.storage-size")
    retyped = tensor(storage("0", "DoubleStorage", 6), 0, (2, 3), (3, 1))
    zipped("two-types.pth", {**WEIGHT, "b": retyped}, "checkpoint.storage-size")

    unsupported = "checkpoint.unsupported-tensor"
    foreign = tensor(Stored("storage", Global("evil", "FloatStorage"), "0", "cpu", 6), 0, (2, 3), (3, 1))
    zipped("foreign-storage.pth", {"a": foreign}, unsupported)
    plain = torch.ones(2)
    add("quantized.pth", saved({"w": torch.quantize_per_tensor(plain, 0.1, 0, torch.qint8), "v": plain}), unsupported)
    add("sparse.pth", saved({"w": torch.eye(2).to_sparse(), "v": plain}), unsupported)
    add("meta.pth", saved({"w": torch.ones(2, device="meta"), "v": plain}), unsupported)
    add("nested-tensor.pth", saved({"w": torch.nested.nested_tensor([plain, plain[:1]]), "v": plain}), unsupported)
    add("numpy.pth", saved({"w": numpy.ones(2), "v": plain}), unsupported)
    negative = torch.ones(2, dtype=torch.complex64).conj().imag
    assert negative.is_neg()
    add("negative-bit.pth", saved({"w": negative}), unsupported)
    subclass = Call(Global("torch._tensor", "_rebuild_from_type_v2"), Global("torch._utils", "_rebuild_tensor_v2"),
                    Global("fancy.tensors", "LogTensor"), WEIGHT["fc.weight"].arguments, {})
    zipped("subclass.pth", {"w": subclass}, unsupported)
    opaque = Call(Global("fancy.layers", "PackedWeight"), WEIGHT["fc.weight"])
    zipped("opaque-tensor.pth", {"w": opaque, **WEIGHT}, unsupported)
    element = "checkpoint.unsupported-dtype"
    add("complex.pth", saved({"w": torch.ones(2, dtype=torch.complex64), "v": plain}), element)
    add("float8.pth", saved({"w": plain.to(torch.float8_e5m2), "v": plain}), element)


def state_dicts():
    zipped("ambiguous.pth", {"netG": WEIGHT, "netD": dict(WEIGHT)}, "checkpoint.ambiguous-state-dict")
    zipped("no-tensors.pth", {"epoch": 3}, "checkpoint.no-state-dict")
    optimizer = {"state": {0: {"exp_avg": float_tensor("0", 6)}}, "param_groups": [{"lr": 0.1}]}
    zipped("only-optimizer.pth", {"epoch": 3, "optimizer": optimizer}, "checkpoint.no-state-dict")
    zipped("bare-tensor.pth", float_tensor("0", 6), "checkpoint.no-state-dict")
    zipped("number-keys.pth", {0: float_tensor("0", 6)}, "checkpoint.no-state-dict")
    # The pickler writes a key once; two BINUNICODE of one text are two keys.
    twice = pickled({"fc.weight": float_tensor("0", 2, 3), "fd.weight": float_tensor("0", 2, 3)})
    zipped("duplicate-key.pth", twice.replace(b"fd.weight", b"fc.weight"), "checkpoint.duplicate-key")
    torch.manual_seed(0)
    add("whole-model.pth", saved(nn.Linear(2, 2)), "checkpoint.pickled-model")
    add("whole-model-inside.pth", saved({"epoch": 1, "model": nn.Linear(2, 2)}), "checkpoint.pickled-model")


def legacy_streams():
    weight = {"fc.weight": tensor(storage("0", "FloatStorage", 6, legacy=True), 0, (2, 3), (3, 1))}
    data = {"0": (6, DATA["0"])}
    good = legacy_stream(weight, data)

    def stream(name, code, value=weight, storages=data, **options):
        add(name, legacy_stream(value, storages, **options), code)

    add("legacy-truncated.pth", good[:-5], "checkpoint.truncated")
    add("legacy-truncated-header.pth", good[:-28], "checkpoint.truncated")
    add("legacy-truncated-pickle.pth", good[:150], "pickle.truncated")
    add("legacy-trailing.pth", good + b"\0", "checkpoint.trailing-bytes")
    stream("legacy-big-endian.pth", "checkpoint.byte-order", little_endian=False)
    stream("legacy-protocol.pth", "checkpoint.legacy-preamble", protocol=1002)
    stream("legacy-numel.pth", "checkpoint.storage-size", storages={"0": (5, DATA["0"])})
    stream("legacy-negative-numel.pth", "checkpoint.storage-size", storages={"0": (-1, DATA["0"])})
    stream("legacy-missing-storage.pth", "checkpoint.missing-storage", storages={})
    stream("legacy-unknown-key.pth", "checkpoint.storage-table", keys=["7"])
    stream("legacy-keys-not-a-list.pth", "checkpoint.storage-table", keys="0")
    stream("legacy-duplicate-key.pth", "checkpoint.storage-table", keys=["0", "0"],
           storages={"0": data["0"], "1": data["0"]})
    retyped = tensor(storage("0", "IntStorage", 6, legacy=True), 0, (6,), (1,))
    stream("legacy-two-types.pth", "checkpoint.storage-table", value={**weight, "b": retyped})
    part = Stored("storage", Global("torch", "FloatStorage"), "0", "cpu", 6, ("1", 0, 3))
    stream("legacy-storage-view.pth", "checkpoint.unsupported-tensor", value={"a": tensor(part, 0, (3,), (1,))})
    stream("legacy-os-system.pth", "pickle.unsafe-global", value={"a": Call(Global("os", "system"), "true")})


def other_files():
    add("empty.pth", b"", "checkpoint.empty-file")
    page = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n"
    add("html.pth", page, "checkpoint.web-page")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 102530333\n"
    add("lfs-pointer.pth", pointer, "checkpoint.lfs-pointer")
    add("bare-pickle.pth", pickle.dumps({"a": 1}, 2), "checkpoint.bare-pickle")
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    other = "checkpoint.other-format"
    add("safetensors.pth", struct.pack("<q", len(header)) + header + floats(1), other)
    add("onnx.pth", b"\x08\x08\x12\x07pytorch\x1a\x052.1.0", other)
    add("hdf5.pth", b"\x89HDF\r\n\x1a\n" + bytes(64), other)
    add("npz.pth", zip_bytes([("a.npy", b"\x93NUMPY")]), other)
    add("noise.pth", bytes(range(1, 200, 7)), other)
    for name, member, code in [("tar.pth", "sys_info", "checkpoint.tar-format"), ("other-tar.pth", "readme", other)]:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(tarfile.TarInfo(member), io.BytesIO())
        add(name, out.getvalue(), code)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    archives()
    pickles()
    tensors()
    state_dicts()
    legacy_streams()
    other_files()
    text = json.dumps(expected, indent=1, sort_keys=True) + "\n"
    (FOLDER / "checkpoint-expected.json").write_text(text)
    print(f"{len(expected)} malformed checkpoints in {FOLDER}")


if __name__ == "__main__":
    main()
