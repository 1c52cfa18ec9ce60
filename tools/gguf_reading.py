"""How transformers reads a GGUF file: once, and without its vocabulary.

transformers reads all fields by the gguf package three times for a model, each time with an array for every
token and every merge of the vocabulary, seconds a time. What it takes of them are configuration and weights:
the tokenizer it makes from a reader of its own.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tools.gguf_header import ARRAY, end_of_array
from tools.one_at_a_time import loading

_LONG = 1000  # elements; arrays of a configuration have one a layer at most


@contextmanager
def gguf_read_once(path: Path) -> Iterator[None]:
    """Keep what is read of a GGUF file, and the table of tensor names, else made anew for every module.

    Other threads wait before they load. For other files than .gguf nothing is different.
    """
    if path.suffix != ".gguf":
        yield
        return
    import gguf

    package: Any = gguf
    with loading():
        known = {name: getattr(package, name) for name in ("GGUFReader", "get_tensor_name_map")}
        package.GGUFReader = cache(read_gguf)
        package.get_tensor_name_map = cache(package.get_tensor_name_map)
        try:
            yield
        finally:
            for name, made in known.items():
                setattr(package, name, made)


def folder_and_options(path: Path) -> tuple[Path, dict[str, Any]]:
    """What `from_pretrained` is to be given for a model folder, or for a GGUF file.

    >>> folder_and_options(Path("models/tiny.gguf"))
    (PosixPath('models'), {'gguf_file': 'tiny.gguf'})
    """
    return (path.parent, {"gguf_file": path.name}) if path.suffix == ".gguf" else (path, {})


def read_gguf(path: str | Path) -> Any:
    """A gguf.GGUFReader with long arrays left empty, unless they alone say how large the vocabulary is."""
    from gguf import GGUFEndian, GGUFValueType
    from gguf.gguf_reader import GGUFReader  # gguf.GGUFReader is another one in gguf_read_once

    class WithoutVocabulary(GGUFReader):
        def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
            if raw_type == ARRAY and self.endianess == GGUFEndian.LITTLE:
                kind, count = struct.unpack_from("<IQ", self.data.data, orig_offs)
                if count > _LONG and kind != ARRAY:
                    size = end_of_array(self.data.data, orig_offs) - orig_offs
                    return size, [], [], [GGUFValueType.ARRAY, GGUFValueType(kind)]
            return super()._get_field_parts(orig_offs, raw_type)

    reader = WithoutVocabulary(path)
    says_size = any(name.endswith(".vocab_size") for name in reader.fields)
    return reader if says_size else GGUFReader(path)
