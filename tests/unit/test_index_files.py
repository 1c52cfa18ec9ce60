"""An index on disk: whole or not at all, and never trusted when altered."""

import errno
import json
import os
import random
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from index_samples import CREPES, OMELETTE, SAMPLES, CountingEmbeddings, OtherEmbeddings, many

from tools.errors import IndexFileError, SouschefError
from tools.index import RecipeIndex
from tools.recipes import read_recipes
from tools.vectors import Ann


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    RecipeIndex.build(SAMPLES, tmp_path / "index", CountingEmbeddings(), progress=False)
    return tmp_path / "index"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


@pytest.mark.parametrize("ann", [None, "hnsw", "ivf"])
def test_a_saved_index_finds_what_it_found_before(tmp_path: Path, ann: Ann | None) -> None:
    built = RecipeIndex.build(many(200), tmp_path, CountingEmbeddings(), ann=ann, progress=False)
    loaded = RecipeIndex.load(tmp_path, CountingEmbeddings())
    assert loaded.search("Soup 7", k=10) == built.search("Soup 7", k=10)
    assert loaded.manifest == built.manifest
    assert loaded.manifest is not None
    assert loaded.manifest.ann == ann


def test_an_index_in_memory_can_be_saved_empty_and_filled_later(tmp_path: Path) -> None:
    RecipeIndex(CountingEmbeddings()).save(tmp_path / "index")
    with RecipeIndex.editing(tmp_path / "index", CountingEmbeddings()) as index:
        index.add(SAMPLES)
    assert RecipeIndex.load(tmp_path / "index").count == 4


def test_the_manifest_says_what_the_index_holds(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["count"], manifest["dimension"], manifest["version"]) == (4, 16, 1)
    assert manifest["embedder"]["name"] == "index_samples.CountingEmbeddings"
    assert set(manifest["files"]) == {"recipes-1.jsonl", "vectors-1.faiss"}


def test_the_recipes_of_an_index_are_a_recipe_file(folder: Path) -> None:
    assert tuple(read_recipes([folder / "recipes-1.jsonl"])) == SAMPLES


def test_nothing_is_pickled(folder: Path) -> None:
    RecipeIndex.load(folder)
    assert not [path for path in folder.iterdir() if b"cpickle" in path.read_bytes().lower()]
    assert names(folder) == {"manifest.json", "recipes-1.jsonl", "vectors-1.faiss"}


def test_an_altered_byte_of_the_manifest_is_noticed(folder: Path) -> None:
    path = folder / "manifest.json"
    content = path.read_bytes()
    for flip in (1, 32, 128):
        for position in range(flip % 5, len(content), 5):
            altered = bytearray(content)
            altered[position] ^= flip
            path.write_bytes(altered)
            with pytest.raises(IndexFileError, match=r"manifest.json.* `souschef index build FILE... --out"):
                RecipeIndex.load(folder)


@pytest.mark.parametrize("name", ["recipes-1.jsonl", "vectors-1.faiss"])
def test_an_altered_byte_names_the_file_and_the_mend(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for position in [0, len(content) - 1, *random.Random(0).sample(range(len(content)), 30)]:
        altered = bytearray(content)
        altered[position] ^= 1 << (position % 8)
        (folder / name).write_bytes(altered)
        with pytest.raises(IndexFileError, match=rf"{name} is damaged.* `souschef index build FILE... --out"):
            RecipeIndex.load(folder)


@pytest.mark.parametrize("name", ["recipes-1.jsonl", "vectors-1.faiss"])
def test_a_file_that_is_gone_or_cut_short_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    with pytest.raises(IndexFileError, match=f"{name} is damaged"):
        RecipeIndex.load(folder)
    (folder / name).unlink()
    with pytest.raises(IndexFileError, match=f"{name} is missing"):
        RecipeIndex.load(folder)


def test_a_file_that_may_not_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.suffix == ".jsonl":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(IndexFileError, match=r"recipes-1.jsonl may not be read: give yourself the right"):
        RecipeIndex.load(folder)


def test_building_mends_a_damaged_index(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")
    RecipeIndex.build(SAMPLES, folder, CountingEmbeddings(), progress=False)
    assert RecipeIndex.load(folder).count == 4
    assert names(folder) == {"manifest.json", "recipes-2.jsonl", "vectors-2.faiss"}


def test_a_later_format_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.index_files.VERSION", 2)
    RecipeIndex.build(SAMPLES, folder, CountingEmbeddings(), progress=False)
    monkeypatch.undo()
    with pytest.raises(IndexFileError, match="is of format 2, and this Souschef reads format 1"):
        RecipeIndex.load(folder)


def test_another_embedder_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(IndexFileError, match=r"made with the embedder index_samples.Counting.*not .*Other"):
        RecipeIndex.load(folder, OtherEmbeddings())


def test_building_with_another_embedder_needs_force(folder: Path) -> None:
    with pytest.raises(IndexFileError, match=r"add --force"):
        RecipeIndex.build(SAMPLES, folder, OtherEmbeddings(), progress=False)
    RecipeIndex.build(SAMPLES[:2], folder, OtherEmbeddings(), progress=False, force=True)
    assert RecipeIndex.load(folder, OtherEmbeddings()).count == 2


def test_an_index_of_an_embedder_without_files_asks_for_it(folder: Path) -> None:
    index = RecipeIndex.load(folder)
    assert [hit.uid for hit in index.search("eggs", mode="lexical")] == ["omelette"]
    with pytest.raises(IndexFileError, match=r"pass that embedder to RecipeIndex.load"):
        index.search("eggs")


def test_a_folder_without_an_index_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(IndexFileError, match=r"holds no index: make one with `souschef index build"):
        RecipeIndex.load(tmp_path)
    with pytest.raises(
        IndexFileError, match=r"holds notes.txt and no index: choose a new or an empty folder"
    ):
        RecipeIndex.build(SAMPLES, tmp_path, CountingEmbeddings())
    with pytest.raises(IndexFileError, match="is a file: choose a folder"):
        RecipeIndex.build(SAMPLES, tmp_path / "notes.txt", CountingEmbeddings())
    assert names(tmp_path) == {"notes.txt"}


def test_editing_a_folder_without_an_index_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match="holds no index"), RecipeIndex.editing(tmp_path / "none"):
        pass
    assert names(tmp_path) == set()


def test_a_full_disk_leaves_the_old_index(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr("tools.files.os.fsync", refuse)
        with (
            pytest.raises(SouschefError, match="the disk is full; free some space"),
            RecipeIndex.editing(folder, CountingEmbeddings()) as index,
        ):
            index.delete(["omelette"])
    assert RecipeIndex.load(folder).count == 4
    assert names(folder) == {"manifest.json", "recipes-1.jsonl", "vectors-1.faiss"}


def test_nothing_is_written_when_the_change_fails(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    with suppress(ZeroDivisionError), RecipeIndex.editing(folder, CountingEmbeddings()) as index:
        index.delete()
        raise ZeroDivisionError
    assert (folder / "manifest.json").read_bytes() == before


def test_a_change_that_changes_nothing_writes_nothing(folder: Path) -> None:
    with RecipeIndex.editing(folder, CountingEmbeddings()) as index:
        index.add(SAMPLES)
    assert names(folder) == {"manifest.json", "recipes-1.jsonl", "vectors-1.faiss"}


def test_saving_over_what_others_changed_meanwhile_is_refused(folder: Path) -> None:
    mine = RecipeIndex.load(folder, CountingEmbeddings())
    mine.delete(["omelette"])
    with RecipeIndex.editing(folder, CountingEmbeddings()) as theirs:
        theirs.delete(["crepes"])
    with pytest.raises(IndexFileError, match=r"was changed by another process: load it again"):
        mine.save(folder)
    assert RecipeIndex.load(folder).get_by_ids(["omelette", "crepes"])[0].id == "omelette"


def test_what_killed_writers_left_is_ignored_and_removed(folder: Path) -> None:
    left = [".manifest.json.x.part", ".vectors-2.faiss.y.part", "recipes-2.jsonl", "vectors-7.faiss"]
    for name in left:
        (folder / name).write_bytes(b"half")
    (folder / ".parts" / "0").mkdir(parents=True)
    (folder / "mine.txt").write_text("not Souschef's")
    assert RecipeIndex.load(folder).count == 4
    with RecipeIndex.editing(folder, CountingEmbeddings()) as index:
        index.delete(["omelette"])
    assert names(folder) == {"manifest.json", "recipes-8.jsonl", "vectors-8.faiss", "mine.txt"}


def test_a_reader_that_a_writer_overtakes_starts_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = folder.parent / "newer"
    shutil.copytree(folder, newer)
    with RecipeIndex.editing(newer, CountingEmbeddings()) as index:
        index.delete(["omelette"])
    read_bytes = Path.read_bytes

    def overtaken(path: Path) -> bytes:
        if path.name == "recipes-1.jsonl" and newer.exists():
            shutil.rmtree(folder)
            newer.rename(folder)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", overtaken)
    assert RecipeIndex.load(folder).count == 3


def test_a_search_after_a_save_elsewhere_still_answers(folder: Path, tmp_path: Path) -> None:
    index = RecipeIndex.load(folder, CountingEmbeddings())
    index.save(tmp_path / "copy")
    shutil.rmtree(folder)
    assert index.search(CREPES.text(), k=1)[0].uid == "crepes"
    assert (
        RecipeIndex.load(tmp_path / "copy", CountingEmbeddings()).search(OMELETTE.text())[0].uid == "omelette"
    )
