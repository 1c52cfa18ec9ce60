"""The recipe index: recipes to search, in memory and on disk.

`RecipeIndex` is a LangChain `VectorStore` (tools/passage_store.py) whose files tools/index_files.py
describes. It never loads the embedder for a search by words or a look at what an index holds.
`embedded_index` is the index of the recipes that come with Souschef.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.embeddings import Embeddings

from tools.collection import Collection
from tools.download_display import say
from tools.embed import Identity, encode_query, identity, load_embedder
from tools.embedding_run import embed_in_chunks
from tools.errors import IndexFileError
from tools.index_files import (
    VERSION,
    Kind,
    Manifest,
    Sink,
    holds_index,
    only_writer,
    parts_folder,
    read_index,
    read_manifest,
    refuse_foreign,
    write_index,
)
from tools.models import CATALOGUE, cache_dir
from tools.passage_store import MODES, Counts, Hit, Mode, PassageStore
from tools.passages import read_line, recipe_line
from tools.recipes import Recipe, embedded_recipes
from tools.shipped_vectors import shipped_vectors
from tools.vectors import Ann, VectorTable

if TYPE_CHECKING:
    from tools.embedding_run import Chunk
    from tools.vectors import Vectors

__all__ = ["MODES", "Counts", "Hit", "Mode", "RecipeIndex", "embedded_index"]


class RecipeIndex(PassageStore):
    """Recipes to search, and their place on disk."""

    def __init__(self, embedder: Embeddings | None = None) -> None:
        """An empty index in memory, by default with the embedded embedder."""
        super().__init__(embedder)
        self.folder: Path | None = None
        self.manifest: Manifest | None = None  # what is on disk, as far as this index knows

    @classmethod
    def build(
        cls,
        recipes: Iterable[Recipe],
        out: Path,
        embedder: Embeddings | None = None,
        *,
        ann: Ann | None = None,
        progress: bool = True,
        force: bool = False,
    ) -> "RecipeIndex":
        """Embed recipes and write them as the index in `out`, in place of one there that has this embedder.

        Interrupted, it continues where it was when it is run again. Raises IndexFileError where `out` holds
        something else, or, without `force`, an index made with another embedder.
        """
        index = cls(embedder)
        refuse_foreign(out)
        if not force:
            _refuse_other_embedder(out, identity(index.embedder))
        lines = list(_by_uid(recipes).values())  # what is wrong with a file is found before anything is made
        with only_writer(out):
            index._fill(lines, ann, parts_folder(out), progress)
            index._write(out)
        return index

    @classmethod
    def load(cls, path: Path, embedder: Embeddings | None = None) -> "RecipeIndex":
        """Read an index. Without `embedder`, the one that made it is loaded when it is first needed.

        Raises IndexFileError where there is no index, it is damaged, or another embedder made it.
        """
        manifest, contents = read_index(Path(path))
        if embedder is not None:
            _check_embedder(path, manifest, identity(embedder))
        index = cls(embedder)
        lines = contents["recipes"].split(b"\n")[:-1]
        index._content = Collection(lines, VectorTable.from_bytes(contents["vectors"], manifest.ann))
        index.folder, index.manifest = Path(path), manifest
        return index

    @classmethod
    @contextmanager
    def editing(cls, path: Path, embedder: Embeddings | None = None) -> Iterator["RecipeIndex"]:
        """The index in `path` to change: no other process writes it meanwhile, and it is saved at the end.

        Nothing is written when the block raises.
        """
        read_manifest(path)  # before the lock, which would make a folder where there is none
        with only_writer(path):
            index = cls.load(path, embedder)
            before = index._content.changes
            yield index
            if index._content.changes != before:
                index._write(path)

    def save(self, path: Path) -> None:
        """Write the index to a folder, in place of an index that is there.

        Raises IndexFileError where that index has changed since this one was loaded from it.
        """
        refuse_foreign(path)
        with only_writer(path):
            if self.folder == path and self.manifest and read_manifest(path) != self.manifest:
                raise IndexFileError(
                    f"{path} was changed by another process: load it again, or change it in "
                    "`with RecipeIndex.editing(path) as index`."
                )
            self._write(path)

    def add(self, recipes: Iterable[Recipe], progress: bool = True) -> Counts:
        """Put recipes in; one with a uid that is there replaces it. Only new text is embedded."""
        parts = parts_folder(self.folder) if self.folder else None
        return self._put(_by_uid(recipes), progress, parts)

    # ---- within

    def _fill(
        self,
        lines: list[bytes],
        ann: Ann | None,
        parts: Path,
        progress: bool,
        known: "Iterable[Chunk]" = (),
    ) -> None:
        flat: VectorTable | None = None

        def room(rows: int, dimension: int) -> "Vectors":
            nonlocal flat
            flat, memory = VectorTable.to_fill(rows, dimension)
            return memory

        vectors = embed_in_chunks(
            len(lines), lambda n: read_line(lines[n]).text, self.embedder, parts, progress, room, known
        )
        table = VectorTable.of(vectors, ann) if ann and lines else flat
        self._content = Collection(lines, table)

    def _write(self, path: Path) -> None:
        """Write the next generation; the caller holds the folder's lock."""
        with self._lock:
            table = self._content.table or self._empty_table()
            made_by = self.manifest.embedder if self.manifest else identity(self.embedder)
            recall = table.recall() if table.ann else 1.0
            manifest = Manifest(made_by, table.dimension, self.count, table.ann, recall)
            contents: dict[Kind, Callable[[Sink], None]] = {
                "recipes": self._write_lines,
                "vectors": table.write,
            }
            self.manifest = write_index(path, manifest, contents)
            self.folder = path

    def _write_lines(self, sink: Sink) -> None:
        for line in self._content.lines:
            sink(line + b"\n")

    def _empty_table(self) -> VectorTable:
        return VectorTable.of(encode_query(self.embedder, "dimension")[:0])

    def _find_embedder(self) -> Embeddings:
        """The embedder that made this index."""
        if self.manifest is None or self.folder is None:
            return load_embedder()
        made_by = self.manifest.embedder
        if made_by.name not in CATALOGUE and not made_by.path:
            raise IndexFileError(
                f"{self.folder} was made with {made_by}, which is no model file: pass that embedder to "
                "RecipeIndex.load(path, embedder)."
            )
        embedder = load_embedder(made_by.path or made_by.name)
        _check_embedder(self.folder, self.manifest, identity(embedder))
        return embedder


def embedded_index(progress: bool = True) -> RecipeIndex:
    """The index of the recipes that come with Souschef: built on first use, then cached.

    Several first uses at once wait for one of them. A damaged cache is said to be so, and built again.
    """
    embedder = load_embedder(progress=progress)
    folder = cache_dir() / "index" / _embedded_key(identity(embedder))
    index = _whole(folder, embedder)
    if index is None:
        with only_writer(folder):
            index = _whole(folder, embedder)  # another process may have built it meanwhile
            if index is None:
                if holds_index(folder):
                    say(f"The index in {folder} is damaged; building it again.")
                index = RecipeIndex(embedder)
                lines = list(map(recipe_line, embedded_recipes()))
                known = shipped_vectors(identity(embedder))
                index._fill(lines, None, parts_folder(folder), progress, known)
                index._write(folder)
    return index


def _whole(folder: Path, embedder: Embeddings) -> RecipeIndex | None:
    try:
        return RecipeIndex.load(folder, embedder)
    except IndexFileError:
        return None


def _embedded_key(made_by: Identity) -> str:
    """Another name whenever the shipped recipes, the embedder or the format is another."""
    key = f"{hashlib.sha256(_shipped_bytes()).hexdigest()}\n{made_by.name}\n{made_by.revision}\n{VERSION}"
    return f"embedded-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _shipped_bytes() -> bytes:
    return resources.files("tools").joinpath("data", "recipes.jsonl.gz").read_bytes()


def _by_uid(recipes: Iterable[Recipe]) -> dict[str, bytes]:
    """Lines by uid; where two differing recipes share one, the later counts, and that is said."""
    lines: dict[str, bytes] = {}
    replaced: list[str] = []
    for recipe in recipes:
        line = recipe_line(recipe)
        if lines.get(recipe.uid, line) != line:
            replaced.append(recipe.uid)
        lines[recipe.uid] = line
    if replaced:
        say(f"{len(replaced)} recipes gave way to later ones with the same uid (such as {replaced[0]!r}).")
    return lines


def _refuse_other_embedder(out: Path, made_by: Identity) -> None:
    try:
        manifest = read_manifest(out)
    except IndexFileError:
        return  # none, or a damaged one, which building mends
    if manifest.embedder != made_by:
        raise IndexFileError(
            f"{out} holds an index made with {manifest.embedder}, not {made_by}: add --force to replace it, "
            "or choose another --out."
        )


def _check_embedder(path: Path, manifest: Manifest, made_by: Identity) -> None:
    if manifest.embedder != made_by:
        raise IndexFileError(
            f"{path} was made with the embedder {manifest.embedder}, not {made_by}: use that one, or rebuild "
            f"the index with `souschef index build FILE... --out {path} --embedder {made_by.name} --force`."
        )
