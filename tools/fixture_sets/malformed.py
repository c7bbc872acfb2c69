"""`malformed-pt2`: exported programs with one defect each, and what must be refused about them."""

from __future__ import annotations

import copy
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any, Callable

import torch
from torch import Tensor, nn

from fixture_sets.malformed_codes import CODES
from fixture_sets.options import Options, say, write_json
from rbn_torch.exporting import export_program

Entries = dict[str, bytes]
MODEL = "archive/models/model.json"
WEIGHTS = "archive/data/weights/"
CONFIG = WEIGHTS + "model_weights_config.json"


class Tiny(nn.Module):
    """One convolution and one ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x))


class Normalised(nn.Module):
    """One norm, which differs between training and evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(x)


class Spectrum(nn.Module):
    """An operator that no image classifier needs."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft(x).real


class Gamma(nn.Module):
    """Operators that no image classifier needs: one of them, or both."""

    def __init__(self, both: bool) -> None:
        super().__init__()
        self.both = both

    def forward(self, x: Tensor) -> Tensor:
        x = torch.digamma(x)
        return torch.lgamma(x) + torch.digamma(x) if self.both else x


class Special(nn.Module):
    """Several operators without support, in several modules."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)
        self.layer1 = nn.Sequential(Gamma(False), nn.ReLU(), Gamma(True))
        self.head = Gamma(True)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer1(self.conv(x)))


class Dropping(nn.Module):
    """Dropout, which a program in training mode computes."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(x)


class Stored:
    """What a state dict can hold beside tensors."""


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def program_entries(module: nn.Module) -> Entries:
    """The entries of a module's archive, its JSON made compact."""
    buffer = io.BytesIO()
    torch.export.save(export_program(module, [torch.zeros(1, 2, 2, 2)]), buffer)
    with zipfile.ZipFile(buffer) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    model = json.loads(entries[MODEL])
    for node in model["graph_module"]["graph"]["nodes"]:
        node["metadata"].pop("torch_fn", None)
    entries[MODEL] = compact(model)
    entries[CONFIG] = compact(json.loads(entries[CONFIG]))
    return entries


def archive(entries: Entries, compression: int = zipfile.ZIP_STORED, twice: str | None = None) -> bytes:
    """A zip of the entries, the same bytes each time; `twice` names an entry to be written two times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in entries.items():
            for _ in range(2 if name == twice else 1):
                file.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


class Defects:
    """Collects the malformed files."""

    def __init__(self) -> None:
        self.base = program_entries(Tiny().eval())
        self.files: dict[str, bytes] = {}
        self.names: list[str] = []

    def add(self, name: str, content: bytes, refused: str) -> None:
        """A file with one defect, which `refused` describes to the reader of this code."""
        self.files[f"pt2-{name}.pt2"] = content
        self.names.append(name)

    def entries(self, name: str, refused: str, change: Callable[[Entries], None]) -> None:
        entries = dict(self.base)
        change(entries)
        self.add(name, archive(entries), refused)

    def model(self, name: str, refused: str, change: Callable[[dict[str, Any]], None]) -> None:
        """A defect in model.json."""
        value = json.loads(self.base[MODEL])
        change(value)
        self.entries(name, refused, lambda entries: entries.update({MODEL: compact(value)}))

    def config(self, name: str, refused: str, change: Callable[[dict[str, Any]], None]) -> None:
        """A defect in the description of conv.weight."""
        value = json.loads(self.base[CONFIG])
        change(value["config"]["conv.weight"])
        self.entries(name, refused, lambda entries: entries.update({CONFIG: compact(value)}))

    def text(self, name: str, refused: str, change: Callable[[bytes], bytes]) -> None:
        """A defect in the bytes of model.json."""
        self.entries(name, refused, lambda entries: entries.update({MODEL: change(entries[MODEL])}))


def nodes(model: dict[str, Any]) -> list[dict[str, Any]]:
    return model["graph_module"]["graph"]["nodes"]


def containers(made: Defects) -> None:
    """Defects of the archive."""
    whole = archive(made.base)
    made.add("empty", b"", "an empty file")
    made.add("not-a-zip", b"This is not an exported program.\n" * 4, "a file that is no archive")
    made.add("truncated", whole[: len(whole) // 2], "an archive that ends in the middle of an entry")
    made.add("truncated-directory", whole[:-30], "an archive without its end record")
    made.add("compressed", archive(made.base, zipfile.ZIP_DEFLATED), "compressed entries, which torch never writes")
    made.add("duplicate-entry", archive(made.base, twice=MODEL), "two entries of one name")
    position = whole.index(made.base[WEIGHTS + "weight_0"])
    flipped = bytearray(whole)
    flipped[position] ^= 0x40
    made.add("checksum-mismatch", bytes(flipped), "weight_0, whose CRC-32 does not match")
    made.entries("no-model", "an archive without models/*.json", lambda e: e.pop(MODEL))
    made.entries("two-roots", "an archive with two root folders", lambda e: e.update({"other/version": b"3\n"}))
    made.entries("archive-version-9", "archive version 9", lambda e: e.update({"archive/archive_version": b"9"}))
    made.entries("archive-format-other", "archive format pt3", lambda e: e.update({"archive/archive_format": b"pt3"}))

    def custom_object(entries: Entries) -> None:
        entries["archive/data/constants/custom_obj_0"] = b"\x80\x02]q\x00."
        config = {"config": {"scaler": {"path_name": "custom_obj_0", "is_param": False, "use_pickle": True,
                                        "tensor_meta": None}}}
        entries["archive/data/constants/model_constants_config.json"] = compact(config)
        model = json.loads(entries[MODEL])
        specification = {"custom_obj": {"arg": {"name": "obj_scaler", "class_fqn": "torch.classes.lib.Scaler"},
                                        "custom_obj_name": "scaler"}}
        model["graph_module"]["signature"]["input_specs"].insert(0, specification)
        entries[MODEL] = compact(model)

    made.entries("custom-object", "a custom object, which is a pickle", custom_object)



def flat(made: Defects) -> None:
    """Defects of the layout of torch 2.7 and before."""
    sound = {"version": b"8.2", "serialized_exported_program.json": made.base[MODEL],
             "serialized_state_dict.pt": saved({"conv.weight": torch.zeros(3, 2, 1, 1)}),
             "serialized_constants.pt": b""}

    def defect(name: str, refused: str, change: Callable[[Entries], None]) -> None:
        entries = dict(sound)
        change(entries)
        made.add(name, archive(entries), refused)

    defect("flat-schema-6", "schema version 6, of torch 2.4", lambda e: e.update({"version": b"6.1"}))
    defect("flat-version-text", "a version that is no number", lambda e: e.update({"version": b"latest"}))
    defect("flat-no-version", "an archive without a version", lambda e: e.pop("version"))
    defect("flat-no-state-dict", "no serialized_state_dict.pt", lambda e: e.pop("serialized_state_dict.pt"))
    defect("flat-weight-missing", "an empty state dict", lambda e: e.update({"serialized_state_dict.pt": b""}))
    defect("flat-foreign-object", "a weight that is an object of an unknown class",
           lambda e: e.update({"serialized_state_dict.pt": saved({"conv.weight": Stored()})}))
    defect("flat-state-dict-is-a-list", "a state dict that is a list",
           lambda e: e.update({"serialized_state_dict.pt": saved([torch.zeros(1)])}))
    defect("flat-state-dict-is-no-zip", "a state dict of noise",
           lambda e: e.update({"serialized_state_dict.pt": b"noise" * 20}))


def saved(value: object) -> bytes:
    """What `torch.save` writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def weights(made: Defects) -> None:
    """Defects of the weights and of what describes them."""
    weight = WEIGHTS + "weight_0"
    made.entries("weight-missing", "weight_0, which the archive lacks", lambda e: e.pop(weight))
    made.entries("weight-too-short", "weight_0, smaller than its shape", lambda e: e.update({weight: e[weight][:-4]}))
    made.entries("weight-empty", "weight_0, which is empty", lambda e: e.update({weight: b""}))
    made.entries("weights-config-missing", "an archive without its table of weights", lambda e: e.pop(CONFIG))

    def drop(entries: Entries) -> None:
        value = json.loads(entries[CONFIG])
        del value["config"]["conv.weight"]
        entries[CONFIG] = compact(value)

    made.entries("weight-not-described", "conv.weight, which the graph reads and no table names", drop)
    made.config("pickled-weight", "conv.weight, a pickle", lambda c: c.update({"use_pickle": True}))
    made.config("path-outside", "a weight's path that leaves the archive",
                lambda c: c.update({"path_name": "../../../../etc/hostname"}))

    def meta(change: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
        return lambda c: c["tensor_meta"].update(change)

    made.config("negative-size", "a size of -3", meta({"sizes": [{"as_int": -3}, {"as_int": 2}] + [{"as_int": 1}] * 2}))
    huge = [{"as_int": 4611686018427387904}] * 4
    made.config("size-overflow", "sizes whose product overflows", meta({"sizes": huge}))
    made.config("stride-beyond-storage", "strides that reach beyond the storage",
                meta({"strides": [{"as_int": 1000}] + [{"as_int": 1}] * 3}))
    made.config("negative-offset", "an offset of -1", meta({"storage_offset": {"as_int": -1}}))
    made.config("offset-overflow", "an offset beyond the storage",
                meta({"storage_offset": {"as_int": 9223372036854775807}}))
    made.config("unknown-dtype", "the unknown dtype 99", meta({"dtype": 99}))
    made.config("shape-mismatch", "a weight (3, 2, 1, 1) described as (2, 3, 1, 1), which the graph contradicts",
                meta({"sizes": [{"as_int": 2}, {"as_int": 3}, {"as_int": 1}, {"as_int": 1}]}))


def json_texts(made: Defects) -> None:
    """Defects of JSON itself."""
    made.text("json-cut", "JSON that ends early", lambda text: text[: len(text) // 2])
    made.text("json-not-object", "JSON that is a list", lambda text: b"[1,2,3]")
    made.text("json-trailing", "text after the JSON", lambda text: text + b" {}")
    made.text("json-deep", "JSON nested 4000 levels deep", lambda text: b"[" * 4000 + b"]" * 4000)
    made.text("json-not-utf8", "bytes that are not UTF-8", lambda text: text.replace(b'"conv2d"', b'"conv\xff\xfe"'))
    made.text("json-huge-integer", "an integer beyond 64 bits",
              lambda text: re.sub(rb'"major":\d+', b'"major":99999999999999999999999', text))
    made.text("json-duplicate-key", "a key that occurs twice in one object",
              lambda text: text.replace(b'{"graph_module":', b'{"graph_module":{},"graph_module":', 1))


def graphs(made: Defects) -> None:
    """Defects of the graph."""
    made.model("schema-major-6", "schema version 6", lambda m: m["schema_version"].update({"major": 6}))
    made.model("schema-major-9", "schema version 9", lambda m: m["schema_version"].update({"major": 9}))
    made.model("no-schema-version", "a program without a schema version", lambda m: m.pop("schema_version"))

    def argument(node: int, position: int, value: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
        return lambda m: nodes(m)[node]["inputs"][position].update({"arg": value})

    made.model("undefined-value", "a value that nothing makes", argument(0, 0, {"as_tensor": {"name": "nowhere"}}))
    last = {"as_tensor": {"name": nodes(json.loads(made.base[MODEL]))[-1]["outputs"][0]["as_tensor"]["name"]}}
    made.model("cycle", "a value read before it is made", argument(0, 0, last))
    made.model("wrong-argument-kind", "a weight that is a string", argument(0, 1, {"as_string": "conv.weight"}))
    made.model("missing-argument", "a convolution without a weight", lambda m: nodes(m)[0]["inputs"].pop(1))
    made.model("unknown-argument", "an argument that the operator has not",
               lambda m: nodes(m)[0]["inputs"].append({"name": "zoom", "arg": {"as_int": 2}, "kind": 2}))
    made.model("unknown-namespace", "the operator mylib::warp",
               lambda m: nodes(m)[-1].update({"target": "torch.ops.mylib.warp.default"}))
    made.model("value-made-twice", "a value that two nodes make",
               lambda m: nodes(m)[1].update({"outputs": copy.deepcopy(nodes(m)[0]["outputs"])}))
    made.model("no-outputs", "a graph without outputs",
               lambda m: (m["graph_module"]["graph"].update({"outputs": []}),
                          m["graph_module"]["signature"].update({"output_specs": []})))
    made.add("unknown-op", archive(program_entries(Spectrum().eval())), "the operator aten::fft_fft")
    made.add("unknown-ops", archive(program_entries(Special().eval())), "the operators aten::digamma and aten::lgamma")
    made.add("training-dropout", archive(program_entries(Dropping().train())), "dropout in training mode: model.eval()")
    made.add("training", archive(program_entries(Normalised().train())), "batch_norm in training mode: model.eval()")


def make(folder: Path, options: Options) -> None:
    """Writes `pt2-<defect>.pt2` and `pt2-expected.json`, the code of each one's error."""
    torch.manual_seed(7)
    made = Defects()
    for add in (containers, flat, weights, json_texts, graphs):
        add(made)
    for old in folder.glob("pt2-*.pt2"):
        old.unlink()
    for name, content in made.files.items():
        (folder / name).write_bytes(content)
    write_json(folder / "pt2-expected.json", {f"pt2-{name}.pt2": CODES[name] for name in made.names})
    total = sum(map(len, made.files.values()))
    say(f"  {len(made.files)} files, {total:,} bytes, the largest {max(map(len, made.files.values())):,}")
