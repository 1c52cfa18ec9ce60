"""Recipe files: every format gives the same recipes, and every damage one sentence with its place."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from tools.errors import RecipeFileError
from tools.recipes import Recipe, read_recipes

SOUP = Recipe("s", "Crème de navets", ("1 kg turnips", 'a 6" knife, sharp'), ("Peel.", "Boil; serve."))
TOAST = Recipe("t", "Toast", ("bread",), ("Toast it.",), tags=("quick",))
BOTH = [SOUP, TOAST]


def write_json(path: Path) -> None:
    path.write_text(json.dumps([recipe.to_dict() for recipe in BOTH]))


def write_jsonl(path: Path) -> None:
    path.write_text("\n\n".join(json.dumps(recipe.to_dict(), ensure_ascii=False) for recipe in BOTH))


def write_table(path: Path, delimiter: str) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # as a spreadsheet does, with a BOM
        table = csv.writer(file, delimiter=delimiter)
        table.writerow(["uid", "Title", "ingredients", "directions", "ner", "tags"])
        for r in BOTH:
            table.writerow(
                [r.uid, r.name, json.dumps(r.ingredients), "\n".join(r.steps), "x", ",".join(r.tags)]
            )


def write_parquet(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([recipe.to_dict() for recipe in BOTH]), path)


def written(folder: Path, name: str) -> Path:
    path = folder / name
    match path.suffix:
        case ".json":
            write_json(path)
        case ".jsonl":
            write_jsonl(path)
        case ".parquet":
            write_parquet(path)
        case ".tsv":
            write_table(path, "\t")
        case _:
            write_table(path, ";" if "semicolon" in name else ",")
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "name", ["r.json", "r.jsonl", "r.csv", "semicolon.csv", "r.tsv", "r.parquet", "R.v1.jsonl"]
)
def test_every_format_gives_the_same_recipes_packed_or_not(tmp_path: Path, name: str, packed: bool) -> None:
    path = written(tmp_path, name)
    if packed:
        path = path.rename(tmp_path / f"plain-{name}")
        packed_path = tmp_path / f"{name}.gz"
        packed_path.write_bytes(gzip.compress(path.read_bytes()))
        path = packed_path
    assert list(read_recipes([path])) == BOTH


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    paths = [written(tmp_path, name) for name in ("r.tsv", "r.parquet")]
    assert list(read_recipes(paths)) == BOTH + BOTH


def test_one_recipe_alone_and_a_list_under_recipes_are_json_too(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    for content in (TOAST.to_dict(), {"recipes": [TOAST.to_dict()]}):
        path.write_text(json.dumps(content))
        assert list(read_recipes([path])) == [TOAST]


def test_a_cell_of_a_megabyte_and_a_raw_nul_are_read(tmp_path: Path) -> None:
    path = tmp_path / "hostile.csv"
    path.write_text(f"name,ingredients,steps\nTo\0ast,bread,{'x' * 1_000_000}\n")
    (recipe,) = read_recipes([path])
    assert (recipe.name, len(recipe.steps[0])) == ("Toast", 1_000_000)


HEADER = b"name,ingredients\n"
GOOD = b'{"name": "Toast", "ingredients": ["bread"]}\n'


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("e.jsonl", b"", " is empty: put at least one recipe into it."),
        ("e.csv", b"", " is empty: put at least one recipe into it."),
        ("e.jsonl.gz", gzip.compress(b"", mtime=0), " is empty: put at least one recipe into it."),
        ("e.json", b"[]", " holds no recipes: put at least one into it."),
        ("h.csv", HEADER, " holds no recipes: put at least one into it."),
        ("b.jsonl", b"\n \n", " holds no recipes: put at least one into it."),
        (
            "p.csv",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe",
            " is not a text file: give JSONL, JSON, CSV, TSV or Parquet.",
        ),
        ("u.csv", "name,ingredients\n".encode("utf-16"), " is UTF-16 text: save it as UTF-8."),
        ("l.csv", HEADER + b"Cr\xe8me,milk\n", ", line 2 is not UTF-8: save the file as UTF-8."),
        (
            "m.jsonl",
            GOOD + b"\n{nope}\n",
            ", line 3 is not JSON (Expecting property name enclosed in double quotes): mend or remove it.",
        ),
        ("m.json", b'[\n{"name":\n]', ", line 3 is not JSON (Expecting value): mend or remove it."),
        (
            "j.json",
            GOOD + GOOD,
            ", line 2 is not JSON (Extra data; one recipe a line is .jsonl): mend or remove it.",
        ),
        ("o.jsonl", b"[1]\n", ', line 1 is not a JSON object: write a recipe as {"name": ..., ...}.'),
        ("d.jsonl", b"[" * 100_000, ", line 1 is JSON beyond all measure: mend or remove it."),
        ("s.json", b"3", " is neither a list of recipes nor one recipe: write it as [{...}, ...]."),
        (
            "c.csv",
            b"dish,ingredients\na,b\n",
            " has no column called name or title (found: dish, ingredients): "
            "name the columns in its first line.",
        ),
        (
            "w.csv",
            HEADER + b"Toast,bread,butter\n",
            ", line 2: 3 cells in 2 columns: quote the texts with commas.",
        ),
        ("q.csv", HEADER + b'Toast,"bread\n', ", line 2: unexpected end of data: mend the quotes there."),
        (
            "i.csv",
            HEADER + b'"To\nast",bread\nRusk,\n',
            ", line 4: the recipe 'Rusk' has no ingredients: add them or remove it.",
        ),
        (
            "t.jsonl.gz",
            gzip.compress(GOOD * 99, mtime=0)[:-9],
            " is not a whole gzip file: copy or pack it again.",
        ),
        ("g.jsonl.gz", GOOD, " is not a whole gzip file: copy or pack it again."),
        ("x.parquet", b"PAR1 but no more", " is not a whole Parquet file: write it again."),
        (
            "r.txt",
            GOOD,
            " does not say what it is: name it .jsonl, .json, .csv, .tsv or .parquet (.gz may follow).",
        ),
    ],
)
def test_each_damage_has_one_sentence_with_its_place(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RecipeFileError) as raised:
        list(read_recipes([path]))
    assert str(raised.value) == f"{path}{complaint}"


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(RecipeFileError, match=r"There is no file .*none.jsonl: check the path\."):
        list(read_recipes([tmp_path / "none.jsonl"]))


def test_a_folder_is_refused_with_what_to_give_instead(tmp_path: Path) -> None:
    with pytest.raises(RecipeFileError, match="is a folder: give the recipe files in it"):
        list(read_recipes([tmp_path]))


def test_a_parquet_row_without_ingredients_is_named_by_its_number(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "r.parquet"
    pq.write_table(pa.table({"title": ["Toast", "Rusk"], "ingredients": [["bread"], []]}), path)
    with pytest.raises(RecipeFileError, match="row 2: the recipe 'Rusk' has no ingredients"):
        list(read_recipes([path]))
