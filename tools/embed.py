"""The embedder: texts in, vectors of length 1 out, from model files on this machine.

`Embedder` is a LangChain `Embeddings` around HuggingFaceEmbeddings. It finds its files when it is made and
loads them (torch, seconds) at the first text, or in a thread of the caller's through `load`. It never asks a
hub anything: what is to be fetched, tools.models has fetched. Any other `Embeddings` serves the index as
well; `identity` says what an index records about it.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.embeddings import Embeddings

from tools.errors import ModelFileError
from tools.models import CATALOGUE, ModelFiles, model_path
from tools.one_at_a_time import one_at_a_time
from tools.weights import why_not_loaded

if TYPE_CHECKING:
    import numpy as np
    from langchain_huggingface import HuggingFaceEmbeddings
    from numpy.typing import NDArray

DEFAULT_EMBEDDER = "minilm-l6"
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
BATCH_SIZE = 32  # less is faster when all cores are free, more when they are busy


@dataclass(frozen=True)
class Identity:
    """Which embedder made some vectors: vectors of two identities are never compared."""

    name: str
    revision: str
    path: str = field(default="", compare=False)  # where a model without a catalogue name was found

    def __str__(self) -> str:
        return f"{self.name} (revision {self.revision[:12]})" if self.revision else self.name


class Embedder(Embeddings):
    """A sentence-embedding model from a catalogue name or a folder; safe to use from several threads."""

    def __init__(self, model: str = DEFAULT_EMBEDDER, *, progress: bool = True) -> None:
        """Find the model's files, fetching them where needed.

        Raises ModelFileError for an unknown name, a model that is no embedder, or files that cannot be had.
        """
        entry = CATALOGUE.get(model)
        if entry is not None and entry.role != "embedder":
            raise ModelFileError(f"{model} is no embedder; choose {_embedder_names()} or a folder with one.")
        self.files = model_path(model, progress=progress)
        if not (self.files.path / "config.json").is_file():
            raise ModelFileError(
                f"{self.files.path} is no embedding model; choose {_embedder_names()} or a folder with one."
            )
        self.name, self.revision = self.files.name, self.files.revision
        self._query_prefix = (self.files.entry.query_prefix if self.files.entry else "") or ""
        self._lock = threading.Lock()  # Hugging Face's fast tokenizers fail when two threads set truncation
        self._model: HuggingFaceEmbeddings | None = None

    @property
    def dimension(self) -> int:
        """Numbers in a vector; loads the model."""
        return len(self.embed_query("dimension"))

    def load(self) -> None:
        """Load the model and run it once, so that the next query is as fast as the ones after it."""
        self.embed_query("warm up")

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of `texts`, in their order."""
        if not texts:
            return []
        with self._lock:
            if self._model is not None:
                return self._model.embed_documents(texts)
            with _saying_what_does_not_load(self.files.path):
                model = _load(self.files)
                vectors = model.embed_documents(texts)  # where a model without padding fails
            self._model = model
            return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question, which some models want to see behind a prefix."""
        return self.embed_documents([self._query_prefix + text])[0]

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """What texts take in tokens, none of them cut off; in characters without a tokenizer.json."""
        from tokenizers import Tokenizer

        file = self.files.path / "tokenizer.json"
        if not file.is_file():
            return [len(text) for text in texts]
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return [len(tokens.ids) for tokens in tokenizer.encode_batch_fast(list(texts))]

    def encode(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Vectors of `texts` as an array of shape (texts, dimension)."""
        return encode(self, texts)


def load_embedder(name_or_path: str = DEFAULT_EMBEDDER, progress: bool = True) -> Embedder:
    """The embedder of a catalogue name or a folder; its weights load at the first text."""
    return Embedder(name_or_path, progress=progress)


def identity(embeddings: Embeddings) -> Identity:
    """What an index records about the embedder that made it."""
    if isinstance(embeddings, Embedder):
        path = "" if embeddings.files.entry else str(embeddings.files.path.resolve())
        return Identity(embeddings.name, embeddings.revision, path)
    made_by = f"{type(embeddings).__module__}.{type(embeddings).__qualname__}"
    model = getattr(embeddings, "model", None) or getattr(embeddings, "model_name", None)
    return Identity(f"{made_by}:{model}" if isinstance(model, str) else made_by, "")


def encode(embeddings: Embeddings, texts: Sequence[str]) -> "NDArray[np.float32]":
    """Vectors of `texts` from any embedder, scaled to length 1: shape (texts, dimension)."""
    import numpy as np

    return unit_vectors(np.asarray(embeddings.embed_documents(list(texts)), dtype=np.float32))


def encode_query(embeddings: Embeddings, text: str) -> "NDArray[np.float32]":
    """The vector of a question, scaled to length 1: shape (1, dimension)."""
    import numpy as np

    return unit_vectors(np.asarray([embeddings.embed_query(text)], dtype=np.float32))


def lengths(embeddings: Embeddings, texts: Sequence[str]) -> list[int]:
    """How much work texts are: in tokens where the embedder counts them, else in characters."""
    if isinstance(embeddings, Embedder):
        return embeddings.lengths(texts)
    return [len(text) for text in texts]


def unit_vectors(vectors: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Scale each row to length 1, so that inner products are cosines; a zero row stays zero."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)


@contextmanager
def _saying_what_does_not_load(path: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    # RuntimeError: weights of other sizes, or no memory for them
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelFileError(
            f"{path} cannot be loaded as an embedding model; choose {_embedder_names()} or mend the folder: "
            + why_not_loaded(error)
        ) from error


@one_at_a_time
def _load(files: ModelFiles) -> "HuggingFaceEmbeddings":
    if not any(next(files.path.rglob(name), None) for name in _TOKENIZERS):
        raise ValueError("it has no tokenizer")  # transformers would make up an empty one

    from langchain_huggingface import HuggingFaceEmbeddings
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar for 0.1 s is noise
    try:
        return HuggingFaceEmbeddings(
            model_name=str(Path(files.path)),
            model_kwargs={"local_files_only": True, "trust_remote_code": False},
            encode_kwargs={"normalize_embeddings": True, "batch_size": BATCH_SIZE},
        )
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _embedder_names() -> str:
    return ", ".join(name for name, entry in CATALOGUE.items() if entry.role == "embedder")
