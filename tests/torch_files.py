"""Write what torch.save writes, without torch."""

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

PurePickler: Any = pickle._Pickler  # type: ignore[attr-defined]  # the one in Python, whose steps can be replaced


class Storage:
    """Numbers that torch.save writes outside of its pickle, flat."""

    def __init__(self, array: np.ndarray, kind: str) -> None:
        self.array = np.ascontiguousarray(array).ravel()
        self.kind = kind


class Rebuilt:
    """What a pickle makes by calling a function of torch."""

    def __init__(self, function: str, *args: object, state: object = None) -> None:
        self.function, self.args, self.state = function, args, state


KINDS = {"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage", "int64": "LongStorage"}


def tensor(array: np.ndarray, parameter: bool = False, offset: int = 0) -> Rebuilt:
    """Describe a tensor as PyTorch pickles it; a parameter is one wrapped; `offset` elements stand before it."""
    array = np.asarray(array, order="C")
    storage = Storage(np.concatenate([np.zeros(offset, array.dtype), array.ravel()]), KINDS[array.dtype.name])
    strides = tuple(step // array.itemsize for step in array.strides)
    hooks = Rebuilt("collections.OrderedDict")
    made = Rebuilt("torch._utils._rebuild_tensor_v2", storage, offset, array.shape, strides, False, hooks)
    return Rebuilt("torch._utils._rebuild_parameter", made, True, hooks) if parameter else made


class _Torch(PurePickler):
    """Pickle names of torch without torch: the names of functions and classes are only written down."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, 2)
        self.storages: list[Storage] = []

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Rebuilt):
            self._name(obj.function)
            super().save(obj.args)
            self.write(pickle.REDUCE)
            if obj.state is not None:
                super().save(obj.state)
                self.write(pickle.BUILD)
        elif isinstance(obj, Storage):
            self.storages.append(obj)
            self.write(pickle.MARK)
            super().save("storage")
            self._name(f"torch.{obj.kind}")
            for part in (str(len(self.storages) - 1), "cpu", obj.array.size):
                super().save(part)
            self.write(pickle.TUPLE + pickle.BINPERSID)
        else:
            super().save(obj, save_persistent_id)

    def _name(self, name: str) -> None:
        module, _, attribute = name.rpartition(".")
        self.write(pickle.GLOBAL + f"{module}\n{attribute}\n".encode())


def torch_save(path: Path, held: object, legacy: bool = False) -> None:
    """Write what torch.save writes, new (a zip archive) or as before PyTorch 1.6 (bare pickles)."""
    buffer = io.BytesIO()
    pickler = _Torch(buffer)
    pickler.dump(held)
    if legacy:
        sizes = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
        head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, sizes)]
        # a legacy storage's name has a sixth part, of views: None
        body = buffer.getvalue().replace(pickle.TUPLE + pickle.BINPERSID, pickle.NONE + pickle.TUPLE + pickle.BINPERSID)
        keys = pickle.dumps([str(i) for i in range(len(pickler.storages))], 2)
        numbers = [struct.pack("<q", s.array.size) + s.array.tobytes() for s in pickler.storages]
        path.write_bytes(b"".join([*head, body, keys, *numbers]))
        return
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", buffer.getvalue())
        archive.writestr("weights/byteorder", "little")
        for i, storage in enumerate(pickler.storages):
            archive.writestr(f"weights/data/{i}", storage.array.tobytes())
        archive.writestr("weights/version", "3\n")
