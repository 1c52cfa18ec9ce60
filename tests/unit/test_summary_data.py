"""The summarizer adapter's rows: apart from what it is judged on, in plain sentences, the same every time."""

import json
from pathlib import Path

import pytest

from agent.adapters import summary_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """80 articles of which validation has the first too, and 3 dialogues."""
    folder = tmp_path / "data" / "summaries"
    folder.mkdir(parents=True)
    news = [
        {
            "id": f"n{n}",
            "article": f"Article {n} is about a fire.",
            "summary": f"NEW: Fire {n} is out .\nGone",
        }
        for n in range(80)
    ]
    talk = [{"id": f"d{n}", "article": f"#A: {n}?", "summary": f"A asks {n}."} for n in range(3)]
    for name, rows in (("cnn_train", news), ("cnn_validation", news[:1]), ("dialogsum_train", talk)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder.parent


def rows(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_files_share_no_row_and_none_that_is_judged(data: Path, tmp_path: Path) -> None:
    assert summary_data.main(["--data", str(data), "--out", str(tmp_path / "out")]) == 0
    train, news, dev = (rows(tmp_path / "out" / f"{name}.jsonl") for name in ("train", "news", "dev"))
    assert (len(train), len(news), len(dev)) == (
        80 - 1 - summary_data.DEV_ROWS + 3,
        19,
        summary_data.DEV_ROWS,
    )
    ids = [{row["id"] for row in part} for part in (news, dev)]
    assert ids[0].isdisjoint(ids[1])
    assert "n0" not in ids[0] | ids[1]
    assert dev[0]["summary"].startswith("Fire ")
    assert dev[0]["summary"].endswith(" is out. Gone.")


def test_the_same_seed_writes_the_same_bytes_and_another_one_others(data: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        summary_data.write_data(data, tmp_path / name, seed)
    content = [(tmp_path / name / "dev.jsonl").read_bytes() for name in "abc"]
    assert content[0] == content[1] != content[2]


def test_a_missing_source_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert summary_data.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) != 0
    assert "cnn_train.jsonl" in caplog.text


@pytest.mark.parametrize(
    ("reference", "plain"),
    [
        ("NEW: Fire is out .\nTwo were hurt; none died\n", "Fire is out. Two were hurt; none died."),
        ('He said "no" .\n\nUPDATE: Who knows ?', 'He said "no". Who knows?'),
        ("One .", "One."),
    ],
)
def test_a_reference_becomes_plain_sentences(reference: str, plain: str) -> None:
    assert summary_data.plain_sentences(reference) == plain
