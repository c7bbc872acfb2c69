"""Writes fixtures/malformed/bundle-*.rbn, bundles with one defect each, named by it, and fixtures/formats/tiny.rbn, the
sound bundle that they are made of.

    python3 tools/make_malformed_bundles.py

`bundle-expected.json` maps each file to the code of the error that it must give. Needs no package.
"""

import hashlib
import json
import pathlib
import struct

from make_malformed_archives import Defects, Entry, array, forge

ROOT = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
FOLDER = ROOT / "malformed"


def conv2d(**changes):
    attributes = {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1}
    node = {"name": "conv2d", "op": "aten.conv2d.default", "inputs": ["x", {"parameter": "conv.weight"}, None],
            "outputs": ["conv2d"], "attributes": attributes, "module": "conv", "call": 0}
    return {**node, **changes}


def unary(name, source, op="aten.relu.default", **changes):
    return {"name": name, "op": op, "inputs": [source], "outputs": [name], "attributes": {}, "module": "", "call": 0,
            **changes}


def graph():
    return {
        "schema_version": 1,
        "inputs": [{"name": "x", "dtype": "float32", "shape": [None, 2, None, None], "example_shape": [1, 2, 4, 4]}],
        "outputs": [{"name": "y", "value": "relu"}], "nodes": [conv2d(), unary("relu", "conv2d")],
    }


def weights():
    return {"conv.weight": {"entry": "weights/0", "dtype": "float32", "stored": "float32", "shape": [3, 2, 3, 3]}}


def manifest(entries):
    return {
        "format": "swift-rbn bundle", "format_version": 1, "producer": {"name": "tests"},
        "inputs": [{"name": "x", "dtype": "float32", "shape": [None, 2, None, None]}], "outputs": [{"name": "y"}],
        "preprocessing": None, "labels": None, "provenance": {},
        "entries": {n: {"sha256": hashlib.sha256(c).hexdigest(), "bytes": len(c)} for n, c in entries.items()},
    }


def compact(value):
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def contents():
    return {"graph.json": compact(graph()), "weights.json": compact(weights()),
            "weights/0": struct.pack("<54f", *(i / 64 for i in range(54)))}


def bundle(entries, document=None, first=True):
    document = compact(manifest(entries) if document is None else document)
    named = [("manifest.json", document), *entries.items()] if first else [*entries.items(), ("manifest.json", document)]
    return forge([Entry(name.encode(), payload) for name, payload in named])


class Bundles(Defects):
    def with_entries(self, name, code, change):
        """The entries spoiled, the manifest following."""
        entries = contents()
        change(entries)
        self.add(f"bundle-{name}", bundle(entries), code)

    def with_manifest(self, name, code, change):
        """The manifest spoiled."""
        entries = contents()
        document = manifest(entries)
        change(document)
        self.add(f"bundle-{name}", bundle(entries, document), code)

    def with_graph(self, name, code, change):
        document = graph()
        change(document)
        self.with_entries(f"graph-{name}", code, lambda e: e.update({"graph.json": compact(document)}))

    def with_node(self, name, code, **changes):
        self.with_graph(name, code, lambda g: g["nodes"].__setitem__(0, conv2d(**changes)))

    def with_attributes(self, name, code, **changes):
        self.with_node(name, code, attributes={**conv2d()["attributes"], **changes})

    def with_text(self, name, code, text):
        """graph.json is this text."""
        self.with_entries(f"json-{name}", code, lambda e: e.update({"graph.json": text}))


def manifests(made):
    made.with_manifest("other-format", "bundle.not-one", lambda m: m.update(format="other"))
    made.with_manifest("version-2", "bundle.version", lambda m: m.update(format_version=2))
    made.with_manifest("version-beyond-64-bits", "json.number-range", lambda m: m.update(format_version=2**64))
    made.with_manifest("no-outputs", "json.unexpected-value", lambda m: m.pop("outputs"))
    made.with_manifest("unknown-dtype", "bundle.unknown-dtype", lambda m: m["inputs"][0].update(dtype="float31"))
    made.with_manifest("negative-input-size", "json.unexpected-value", lambda m: m["inputs"][0].update(shape=[-1]))
    made.with_manifest("other-inputs", "bundle.malformed", lambda m: m["inputs"][0].update(name="z"))
    made.with_manifest("other-outputs", "bundle.malformed", lambda m: m.update(outputs=[{"name": "z"}]))
    made.with_manifest("size-differs", "bundle.size-mismatch", lambda m: m["entries"]["weights/0"].update(bytes=9))
    made.with_manifest("digest-differs", "bundle.sha256-mismatch",
                       lambda m: m["entries"]["weights/0"].update(sha256="0" * 64))
    made.with_manifest("entry-unlisted", "bundle.unlisted-entry", lambda m: m["entries"].pop("weights/0"))
    made.with_manifest("entry-missing", "bundle.missing-entry",
                       lambda m: m["entries"].update({"weights/1": {"sha256": "0" * 64, "bytes": 4}}))
    made.with_manifest("labels-missing", "bundle.missing-entry", lambda m: m.update(labels="labels.txt"))
    made.add("bundle-manifest-not-first", bundle(contents(), first=False), "bundle.not-one")
    entries = contents()
    entries["labels.txt"] = b"\xff\xfe\n"
    labelled = {**manifest(entries), "labels": "labels.txt"}
    made.add("bundle-labels-not-utf8", bundle(entries, labelled), "bundle.malformed")
    entries["labels.txt"] = b"\n" * (2**17 + 1)
    made.add("bundle-labels-too-many", bundle(entries, {**manifest(entries), "labels": "labels.txt"}), "bundle.malformed")


def tensors(made):
    def weight(name, code, **changes):
        value = {"conv.weight": {**weights()["conv.weight"], **changes}}
        made.with_entries(name, code, lambda e: e.update({"weights.json": compact(value)}))

    weight("weight-shape-differs", "bundle.weight-size", shape=[3, 2, 3, 4])
    weight("weight-size-negative", "json.unexpected-value", shape=[3, 2, -3, -3])
    weight("weight-product-overflows", "bundle.weight-size", shape=[2**62, 3])
    weight("weight-product-wraps-to-zero", "bundle.weight-size", shape=[2**32, 2**32])
    weight("weight-unknown-dtype", "bundle.unknown-dtype", dtype="float31")
    weight("weight-stored-as-integers", "bundle.unknown-dtype", stored="int8")
    weight("weight-entry-missing", "bundle.missing-entry", entry="weights/9")
    weight("weight-entry-outside", "bundle.missing-entry", entry="../weights/0")
    twice = {**weights(), "again": {**weights()["conv.weight"], "shape": [54]}}
    made.with_entries("weight-shared-as-another-shape", "bundle.weight-size",
                      lambda e: e.update({"weights.json": compact(twice)}))
    made.with_entries("golden-not-npy", "bundle.malformed", lambda e: e.update({"golden/x.txt": b"x"}))
    made.with_entries("golden-broken", "numpy.malformed", lambda e: e.update({"golden/x.npy": array("{'descr'")}))


def json_texts(made):
    good, malformed = compact(graph()), "json.malformed"
    made.with_text("cut", malformed, good[:-3])
    made.with_text("empty", malformed, b"")
    made.with_text("text-behind", malformed, good + b" x")
    made.with_text("trailing-comma", malformed, good[:-1] + b",}")
    made.with_text("comment", malformed, b"/* */" + good)
    made.with_text("single-quotes", malformed, b"{'schema_version': 1}")
    made.with_text("byte-order-mark", malformed, b"\xef\xbb\xbf" + good)
    made.with_text("not-utf8", malformed, b'{"a": "\xff"}')
    made.with_text("overlong-utf8", malformed, b'{"a": "\xc0\xaf"}')
    made.with_text("null-byte", malformed, b'{"a": "x\0y"}')
    made.with_text("escaped-null", malformed, b'{"a\\u0000b": 1}')
    made.with_text("lone-surrogate", malformed, b'{"a": "\\ud800x"}')
    made.with_text("low-surrogate-first", malformed, b'{"a": "\\udc00\\ud800"}')
    made.with_text("nan", "json.number-range", b'{"a": NaN}')
    made.with_text("infinity", "json.number-range", b'{"a": -Infinity}')
    made.with_text("exponent-overflows", "json.number-range", b'{"a": 1e999}')
    made.with_text("integer-beyond-64-bits", "json.number-range", b'{"a": 9223372036854775808}')
    made.with_text("duplicate-key", "json.duplicate-key", b'{"a": 1, "b": {"a": 1}, "a": 2}')
    made.with_text("duplicate-key-escaped", "json.duplicate-key", b'{"a": 1, "\\u0061": 2}')
    made.with_text("number-with-leading-zero", malformed, b'{"a": 01}')
    made.with_text("number-without-digits", malformed, b'{"a": -}')
    made.with_text("number-ends-in-point", malformed, b'{"a": 1.}')
    made.with_text("number-with-plus", malformed, b'{"a": +1}')
    made.with_text("nested-too-deeply", "json.limit", b"[" * 4000 + b"]" * 4000)
    made.with_text("too-many-arrays", "json.limit", b"[" + b"[]," * 110_000 + b"[]]")
    made.with_text("number-of-too-many-digits", "json.limit", b"[0." + b"1" * 2000 + b"]")
    made.with_text("not-an-object", "json.unexpected-value", b"[]")


def graphs(made):
    malformed, shape, attribute = "graph.malformed", "graph.shape-mismatch", "graph.invalid-attribute"
    made.with_graph("schema-2", "graph.schema-version", lambda g: g.update(schema_version=2))
    made.with_graph("no-outputs", malformed, lambda g: g.update(outputs=[]))
    made.with_graph("two-outputs-of-one-name", malformed, lambda g: g["outputs"].append(g["outputs"][0]))
    made.with_graph("output-undefined", malformed, lambda g: g["outputs"][0].update(value="z"))
    made.with_graph("cycle", malformed, lambda g: g["nodes"][0].update(inputs=["relu", {"parameter": "conv.weight"}, None]))
    made.with_graph("value-missing", malformed, lambda g: g["nodes"].pop(0))
    made.with_graph("value-made-twice", malformed, lambda g: g["nodes"][1].update(outputs=["conv2d"]))
    made.with_graph("two-nodes-of-one-name", malformed, lambda g: g["nodes"][1].update(name="conv2d"))
    made.with_graph("node-without-outputs", malformed, lambda g: g["nodes"].append(unary("z", "relu", outputs=[])))
    made.with_graph("node-with-two-outputs", malformed,
                    lambda g: g["nodes"].append(unary("z", "relu", outputs=["z", "w"])))
    made.with_graph("input-of-float16", malformed, lambda g: g["inputs"][0].update(dtype="float16"))
    made.with_graph("input-of-another-dtype", "bundle.malformed", lambda g: g["inputs"][0].update(dtype="int64"))
    resize = {"output_size": [2, 2], "scale_factors": [1e-300, 1e-300], "align_corners": False}
    made.with_graph("scale-next-to-zero", attribute,
                    lambda g: g["nodes"].append(unary("z", "relu", "aten.upsample_bilinear2d.vec", attributes=resize)))
    made.with_graph("example-too-short", malformed, lambda g: g["inputs"][0].update(example_shape=[1, 2]))
    made.with_graph("example-negative", malformed, lambda g: g["inputs"][0].update(example_shape=[-1, 2, 4, 4]))
    made.with_graph("example-overflows", malformed,
                    lambda g: g["inputs"][0].update(example_shape=[2**62, 2, 2**62, 4]))
    made.with_graph("example-wraps-to-zero", malformed,
                    lambda g: g["inputs"][0].update(example_shape=[2**32, 2, 2**32, 4]))
    made.with_graph("unknown-op", "graph.unsupported-operator", lambda g: g["nodes"][1].update(op="aten.fft_fft.default"))
    made.with_graph("no-op", "json.unexpected-value", lambda g: g["nodes"][1].pop("op"))
    made.with_graph("negative-call", malformed, lambda g: g["nodes"][1].update(call=-1))
    made.with_node("too-few-inputs", malformed, inputs=["x"])
    made.with_node("too-many-inputs", shape, inputs=["x", {"parameter": "conv.weight"}, None, "x"])
    made.with_node("input-absent", malformed, inputs=[None, {"parameter": "conv.weight"}, None])
    made.with_node("parameter-missing", "graph.missing-parameter", inputs=["x", {"parameter": "z"}, None])
    made.with_node("input-is-a-number", "json.unexpected-value", inputs=["x", 7, None])
    made.with_attributes("groups-do-not-divide", shape, groups=2)
    made.with_attributes("groups-0", attribute, groups=0)
    made.with_attributes("stride-0", attribute, stride=[0, 1])
    made.with_attributes("stride-negative", attribute, stride=[-1, 1])
    made.with_attributes("stride-of-three", attribute, stride=[1, 1, 1])
    made.with_attributes("padding-negative", attribute, padding=[-1, 1])
    made.with_attributes("padding-overflows", attribute, padding=[2**62, 1])
    made.with_attributes("dilation-overflows", attribute, dilation=[2**62, 2**62])
    made.with_attributes("kernel-larger-than-input", shape, dilation=[5, 5])
    made.with_attributes("attribute-unknown", attribute, zoom=2)
    made.with_attributes("attribute-is-text", attribute, groups="1")
    reshape = lambda sizes: lambda g: g["nodes"].__setitem__(  # noqa: E731
        1, unary("relu", "conv2d", op="aten.reshape.default", attributes={"shape": sizes}))
    made.with_graph("reshape-overflows", "tensor.invalid-shape", reshape([2**62, 2**62]))
    made.with_graph("reshape-wraps-to-zero", "tensor.invalid-shape", reshape([2**32, 2**32]))
    made.with_graph("reshape-of-another-size", shape, reshape([1, 47]))
    made.with_graph("memory-limit", "execution.memory-limit",
                    lambda g: g["inputs"][0].update(example_shape=[1, 2, 2**20, 2**20]))


def main():
    (ROOT / "formats" / "tiny.rbn").write_bytes(bundle(contents()))
    for old in FOLDER.glob("bundle-*"):
        old.unlink()
    made = Bundles("rbn")
    for group in (manifests, tensors, json_texts, graphs):
        group(made)
    text = json.dumps(made.expected, indent=1, sort_keys=True) + "\n"
    (FOLDER / "bundle-expected.json").write_text(text)
    print(f"{len(made.expected)} malformed bundles")


if __name__ == "__main__":
    main()
