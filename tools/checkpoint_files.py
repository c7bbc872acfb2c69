"""Files of torch.save put together piece by piece, so that any piece can be old, odd or wrong.

Used by make_checkpoint_fixtures.py and make_malformed_checkpoints.py. The layout is that of torch.save: the zip
form since 1.6 and the legacy stream before it.
"""

import io
import pickle
import struct
import warnings
import zipfile

import torch

PREAMBLE_MAGIC = 0x1950A86A20F9469CFC6C
PREAMBLE_PROTOCOL = 1001


class Global:
    """A class or function by name, never imported."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """A call that unpickling would make."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Stored:
    """An object that is stored outside of the pickle."""

    def __init__(self, *identifier):
        self.identifier = identifier


class SymbolicPickler(pickle._Pickler):
    """Writes the three symbols above; everything else as usual."""

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Global):
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Call):
            self.save(value.function)
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        elif isinstance(value, Stored):
            self.save(value.identifier)
            self.write(pickle.BINPERSID)
        else:
            super().save(value, save_persistent_id)


def pickled(value, protocol=2):
    out = io.BytesIO()
    SymbolicPickler(out, protocol).dump(value)
    return out.getvalue()


ORDERED_DICT = Global("collections", "OrderedDict")


def storage(key, kind, numel, legacy=False, location="cpu"):
    return Stored("storage", Global("torch", kind), key, location, numel, *([None] if legacy else []))


def tensor(stored, offset, size, stride):
    function = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(function, stored, offset, size, stride, False, Call(ORDERED_DICT))


def float_tensor(key, *size, numel=None):
    """A contiguous float32 tensor that is the whole of a storage."""
    stride, step = [], 1
    for length in reversed(size):
        stride.insert(0, step)
        step *= length
    return tensor(storage(key, "FloatStorage", step if numel is None else numel), 0, size, tuple(stride))


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def zip_bytes(entries, deflated=()):
    """A zip of (name, bytes), in order, also where names repeat or are unsafe."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")
        for name, payload in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED if name in deflated else zipfile.ZIP_STORED
            archive.writestr(info, payload)
    return out.getvalue()


def zip_entries(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def checkpoint_entries(value, storages, root="archive", version=b"3\n", byteorder=b"little"):
    """The entries of a zip checkpoint; `value` is an object, or the bytes of its pickle."""
    data = value if isinstance(value, bytes) else pickled(value)
    entries = [(f"{root}/data.pkl", data), (f"{root}/byteorder", byteorder)]
    entries += [(f"{root}/data/{key}", payload) for key, payload in storages.items()]
    return entries + ([(f"{root}/version", version)] if version is not None else [])


def checkpoint_zip(value, storages, **options):
    return zip_bytes(checkpoint_entries(value, storages, **options))


def legacy_stream(value, storages, magic=PREAMBLE_MAGIC, protocol=PREAMBLE_PROTOCOL, little_endian=True, keys=None):
    """A legacy stream; `storages` maps keys to (number of elements, bytes)."""
    system = {
        "protocol_version": PREAMBLE_PROTOCOL,
        "little_endian": little_endian,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    head = [magic, protocol, system, value, list(storages) if keys is None else keys]
    out = b"".join(pickled(part) for part in head)
    for numel, payload in storages.values():
        out += struct.pack("<q", numel) + payload
    return out


def saved(value, **options):
    """What torch.save writes."""
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


class LegacyPickle:
    """A pickle module that gives storages the keys 0, 1, … where torch uses addresses of memory.

    The storages behind the pickles stay in the order of the addresses, so `saved_legacy` sorts them.
    """

    def __init__(self):
        self.__name__ = "legacy_pickle"
        self.keys, self.sizes, self.order, self.data_start = {}, {}, [], 0
        outer = self

        class Pickler(pickle._Pickler):
            def save_pers(self, identifier):
                kind, key, numel = identifier[1], identifier[2], identifier[4]
                name = outer.keys.setdefault(key, str(len(outer.keys)))
                outer.sizes[key] = numel * torch._utils._element_size(kind.dtype)
                super().save_pers((*identifier[:2], name, *identifier[3:]))

        self.Pickler = Pickler

    def dump(self, value, file, protocol):
        if isinstance(value, list):
            self.order = value
            value = sorted(self.keys.values())
        pickle.dump(value, file, protocol)
        self.data_start = file.tell()


def saved_legacy(value, **options):
    """What torch.save writes in the legacy form, with keys that don't depend on addresses."""
    module = LegacyPickle()
    data = saved(value, pickle_module=module, _use_new_zipfile_serialization=False, **options)
    position, payloads = module.data_start, {}
    for key in module.order:
        end = position + 8 + module.sizes[key]
        payloads[module.keys[key]] = data[position:end]
        position = end
    assert position == len(data)
    return data[: module.data_start] + b"".join(payloads[name] for name in sorted(payloads))
