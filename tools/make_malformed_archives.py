"""Writes fixtures/malformed/zip-*, npy-* and npz-*: archives and arrays with one defect each, named by it.

    python3 tools/make_malformed_archives.py

`zip-expected.json` and `numpy-expected.json` map each file to the code of the error that it must give. Needs no
package.
"""

import json
import pathlib
import struct
import zlib

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "malformed"

DESCRIPTOR = 8
UTF8 = 0x800


class Entry:
    """An entry, every field of which can be wrong."""

    def __init__(self, name, payload, **changes):
        self.name, self.payload = name, payload
        self.flags, self.method, self.time, self.disk = UTF8, 0, 0x210000, 0
        self.crc = zlib.crc32(payload)
        self.size = self.compressed = len(payload)
        self.extra = self.local_extra = b""
        self.local, self.descriptor, self.behind, self.offset = {}, {}, b"", None
        self.__dict__.update(changes)

    def header(self, **changes):
        """The fields that both headers have: flags to extra length."""
        fields = {**self.__dict__, **changes}
        return struct.pack(
            "<HHIIIIHH", fields["flags"], fields["method"], fields["time"], fields["crc"], fields["compressed"],
            fields["size"], len(fields["name"]), len(fields["extra"]))


def forge(entries, before=b"", before_directory=b"", before_end=b"", comment=b"", behind=b"", count=None, disk=0,
          zip64=None, directory_size=None, directory_offset=None):
    """A zip archive; `zip64` overrides fields of the zip64 end record, which is written only where it is given."""
    out, directory = bytearray(before), b""
    for entry in entries:
        start = len(out) if entry.offset is None else entry.offset
        directory += b"PK\1\2" + struct.pack("<HH", 20, 20) + entry.header()
        directory += struct.pack("<HHHII", 0, entry.disk, 0, 0, start) + entry.name + entry.extra
        open_fields = {"crc": 0, "compressed": 0, "size": 0} if entry.flags & DESCRIPTOR else {}
        local = {"extra": entry.local_extra, **open_fields, **entry.local}
        out += b"PK\3\4" + struct.pack("<H", 20) + entry.header(**local)
        out += local.get("name", entry.name) + local["extra"] + entry.payload
        if entry.flags & DESCRIPTOR:
            fields = {"crc": entry.crc, "compressed": entry.compressed, "size": entry.size, **entry.descriptor}
            out += b"PK\7\x08" + struct.pack("<III", fields["crc"], fields["compressed"], fields["size"])
        out += entry.behind
    out += before_directory
    offset, size = len(out), len(directory)
    out += directory + before_end
    count = len(entries) if count is None else count
    if zip64 is not None:
        fields = {"length": 44, "here": count, "total": count, "size": size, "offset": offset, "record": len(out), **zip64}
        out += b"PK\6\6" + struct.pack(
            "<QHHIIQQQQ", fields["length"], 45, 45, 0, 0, fields["here"], fields["total"], fields["size"], fields["offset"])
        out += b"PK\6\7" + struct.pack("<IQI", 0, fields["record"], 1)
    out += b"PK\5\6" + struct.pack(
        "<HHHHIIH", disk, 0, count & 0xFFFF, count & 0xFFFF, size if directory_size is None else directory_size,
        offset if directory_offset is None else directory_offset, len(comment))
    return bytes(out) + comment + behind


def sound():
    """The entries of a checkpoint of torch.save, in miniature; the second one is spoiled."""
    return [
        Entry(b"m/data.pkl", b"\x80\x02}."), Entry(b"m/data/0", bytes(range(100))), Entry(b"m/data/1", b""),
        Entry(b"m/version", b"3\n"),
    ]


class Defects:
    def __init__(self, ending):
        self.ending, self.expected = ending, {}

    def add(self, name, data, code):
        name = f"{name}.{self.ending}" if "." not in name else name
        (FOLDER / name).write_bytes(data)
        self.expected[name] = code

    def entry(self, defect, code, **changes):
        """The second entry spoiled."""
        entries = sound()
        entries[1].__dict__.update(changes)
        self.add(f"zip-{defect}", forge(entries), code)

    def archive(self, name, code, **changes):
        """The records around the entries spoiled."""
        self.add(f"zip-{name}", forge(sound(), **changes), code)


def names(made):
    unsafe = "archive.unsafe-name"
    for name, value in [("parent-folder", b"m/../x"), ("current-folder", b"./x"), ("absolute", b"/etc/passwd"),
                        ("backslash", b"m\\x"), ("nul-in-name", b"m/x\0y"), ("escape-sequence-in-name", b"m/\x1b[2J"),
                        ("empty-name", b""), ("name-not-utf8", b"m/\xff\xfe")]:
        made.entry(name, unsafe, name=value)
    made.entry("duplicate-name", "archive.duplicate-entry", name=b"m/data.pkl")
    entries = sound()
    entries[1].name, entries[2].name = "m/\u00e9".encode(), "m/e\u0301".encode()
    made.add("zip-names-equal-when-normalised", forge(entries), "archive.duplicate-entry")


def entries(made):
    encrypted, mismatch, header = "archive.encrypted-entry", "archive.header-mismatch", "archive.malformed-header"
    made.entry("compressed-by-lzma", "archive.compressed-entry", method=14)
    for name, flag in [("encrypted", 1), ("patched", 0x20), ("strongly-encrypted", 0x40), ("masked-header", 0x2000)]:
        made.entry(name, encrypted, flags=UTF8 | flag)
    made.entry("two-sizes", "archive.size-mismatch", size=101)
    made.entry("local-name-differs", mismatch, local={"name": b"m/data/9"})
    made.entry("local-flags-differ", mismatch, local={"flags": 0})
    made.entry("local-method-differs", mismatch, local={"method": 8})
    made.entry("local-size-differs", mismatch, local={"size": 99})
    made.entry("local-checksum-differs", mismatch, local={"crc": 7})
    made.entry("descriptor-checksum-differs", mismatch, flags=UTF8 | DESCRIPTOR, descriptor={"crc": 7})
    made.entry("descriptor-size-differs", mismatch, flags=UTF8 | DESCRIPTOR, descriptor={"size": 99})
    made.entry("local-time-differs", "archive.inconsistent", local={"time": 0x220000})
    made.entry("local-extra-breaks-off", header, local_extra=b"\1\0\t")
    made.entry("extra-breaks-off", header, extra=b"\1\0\t\0")
    made.entry("two-zip64-fields", header, extra=b"\1\0\0\0" * 2)
    made.entry("second-name", header, local_extra=b"\x75\x70\1\0\1")
    made.entry("zip64-size-missing", header, size=0xFFFFFFFF)
    made.entry("zip64-size-beyond-64-bits", header, size=0xFFFFFFFF, extra=b"\1\0\x08\0" + b"\xff" * 8)
    whole = forge(sound())
    second = whole.index(b"PK\3\4", 1)
    made.add("zip-no-local-header", whole[:second] + b"PX" + whole[second + 2 :], header)
    made.add("zip-not-a-zip", b"no archive\n" * 5, "archive.not-a-zip")
    made.entry("disk-of-entry", "archive.multi-disk", disk=1)
    made.entry("deflate-bomb", "archive.entry-too-large", method=8, size=1 << 30)
    entries = sound()
    entries[0].crc = 7
    made.add("zip-checksum", forge(entries), "archive.crc-mismatch")


def layout(made):
    overlap, gap = "archive.overlap", "archive.gap"
    made.entry("payload-into-directory", overlap, size=1 << 20, compressed=1 << 20)
    made.entry("two-entries-in-one-place", overlap, offset=0)
    made.entry("entry-behind-directory", overlap, offset=1 << 20)
    made.entry("descriptor-into-next-entry", overlap, flags=UTF8 | DESCRIPTOR, size=110, compressed=110)
    made.entry("gap-between-entries", gap, behind=bytes(40))
    made.archive("bytes-before", gap, before=b"MZ\0\0")
    made.archive("bytes-before-directory", gap, before_directory=b"\0")
    made.archive("bytes-behind-directory", gap, before_end=b"\0\0")
    made.archive("trailing-bytes", "archive.trailing-bytes", behind=b"\0\0")
    made.archive("two-ends", "archive.ambiguous-end", comment=b"PK\5\6" + bytes(18))
    made.archive("disk-of-archive", "archive.multi-disk", disk=3)
    directory = "archive.malformed-directory"
    made.archive("fewer-entries-than-counted", directory, count=5)
    made.archive("more-entries-than-counted", directory, count=3)
    made.archive("directory-outside", directory, directory_offset=1 << 20)
    made.archive("zip64-locator-astray", directory, zip64={"record": 7})
    made.archive("zip64-locator-beyond-64-bits", directory, zip64={"record": (1 << 64) - 1})
    made.archive("zip64-offset-differs", directory, zip64={"offset": 7})
    made.archive("zip64-record-missing", directory, directory_offset=0xFFFFFFFF)
    made.archive("too-many-entries", "archive.too-many-entries", count=0xFFFF, zip64={"here": 200_000, "total": 200_000})
    made.archive("ends-early", "archive.truncated", behind=b"")
    (FOLDER / "zip-ends-early.pth").write_bytes(forge(sound())[:-10])
    entries = sound()
    made.add("zip-only-end-record", forge(entries)[-22:], "archive.malformed-directory")


def array(header, data=8, version=1, length=None):
    text = header.encode()
    size = struct.pack("<H" if version == 1 else "<I", len(text) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + bytes(data)


def arrays(made):
    malformed, dtype = "numpy.malformed", "numpy.unsupported-dtype"

    def literal(name, code, descr="'<f4'", order="False", shape="(2,)", end="}", **options):
        header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}{end}"
        made.add(f"npy-{name}", array(header, **options), code)

    literal("too-little-data", "numpy.size-mismatch", shape="(3,)")
    literal("too-much-data", "numpy.size-mismatch", shape="(1,)")
    literal("product-overflows", "tensor.invalid-shape", shape="(9223372036854775807, 9)")
    literal("product-wraps-to-zero", "tensor.invalid-shape", shape="(4294967296, 4294967296)")
    literal("zero-hides-overflow", "tensor.invalid-shape", shape="(0, 9223372036854775807, 9)", data=0)
    literal("size-beyond-64-bits", malformed, shape="(99999999999999999999,)")
    literal("negative-size", malformed, shape="(-2,)")
    literal("shape-is-a-number", malformed, shape="2")
    literal("shape-is-a-call", malformed, shape="exit()")
    literal("rank-65", malformed, shape="(" + "1, " * 65 + ")")
    literal("order-is-a-number", malformed, order="0")
    literal("header-not-closed", malformed, end="")
    literal("text-behind-header", malformed, end="} x")
    literal("unknown-key", malformed, end=", 'x': 1}")
    literal("repeated-key", malformed, end=", 'descr': '<f4'}")
    literal("escape-in-descr", malformed, descr="'\\x3cf4'")
    literal("objects", dtype, descr="'|O'")
    literal("structured", dtype, descr="[('a', '<f4')]")
    literal("unknown-dtype", dtype, descr="'<q9'")
    literal("no-byte-order", dtype, descr="'f4'")
    literal("header-longer-than-file", malformed, length=60_000)
    literal("header-too-long", malformed, version=2, length=1 << 30)
    literal("version-9", malformed, version=9)
    made.add("npy-key-missing", array("{'descr': '<f4', 'fortran_order': False}"), malformed)
    made.add("npy-ends-in-magic", b"\x93NUMPY\1", malformed)
    good = array("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}")
    objects = array("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}")
    made.add("npz-foreign-entry.npz", forge([Entry(b"x.npy", good), Entry(b"read.me", b"x")]), "numpy.foreign-entry")
    made.add("npz-objects.npz", forge([Entry(b"x.npy", objects)]), dtype)
    made.add("npz-checksum.npz", forge([Entry(b"x.npy", good, crc=7)]), "archive.crc-mismatch")
    stored = b"\1" + struct.pack("<HH", len(good), len(good) ^ 0xFFFF) + good
    deflated = {"method": 8, "crc": zlib.crc32(good), "compressed": len(stored)}
    for name, size in [("inflates-to-more", len(good) - 1), ("inflates-to-less", len(good) + 1)]:
        made.add(f"npz-{name}.npz", forge([Entry(b"x.npy", stored, **deflated, size=size)]), "archive.size-mismatch")
    made.add("npz-not-deflate.npz", forge([Entry(b"x.npy", b"\xff" * 60, **{**deflated, "compressed": 60}, size=60)]),
             "archive.size-mismatch")
    bomb = {"method": 8, "compressed": 8, "size": 1 << 31}
    made.add("npz-bomb.npz", forge([Entry(b"x.npy", bytes(8), **bomb)]), "archive.entry-too-large")


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in [*FOLDER.glob("zip-*"), *FOLDER.glob("np[yz]-*")]:
        old.unlink()
    for file, ending, groups in [("zip", "pth", [names, entries, layout]), ("numpy", "npy", [arrays])]:
        made = Defects(ending)
        for group in groups:
            group(made)
        text = json.dumps(made.expected, indent=1, sort_keys=True) + "\n"
        (FOLDER / f"{file}-expected.json").write_text(text)
        print(f"{len(made.expected)} malformed files for {file}-expected.json")


if __name__ == "__main__":
    main()
