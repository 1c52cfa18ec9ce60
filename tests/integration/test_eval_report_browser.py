"""Reports of evaluations in a real browser: no script errors, plots and tables drawn, choices kept."""

import json
import shutil
import subprocess
from html import escape
from pathlib import Path
from typing import Any

import pytest

from agent.evaluation.report import write_report
from agent.evaluation.results_file import append_result

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
    "--enable-logging=stderr", "--virtual-time-budget=3000",
)  # fmt: skip
COLUMNS: list[dict[str, Any]] = [
    {"title": "With recipes", "text": "Beat the eggs.", "marks": ["eggs"], "choice": "retrieval"},
    {"title": "Alone", "text": "Fry.", "choice": "vanilla"},
]
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine")


def report(folder: Path, columns: list[dict[str, Any]]) -> Path:
    folder.mkdir()
    interval = {"low": 0.4, "high": 0.6, "n": 3}
    found = {
        "metrics": {"route_accuracy": 0.5},
        "intervals": {"route_accuracy": interval},
        "n": 3,
        "confusion": {"expected": ["direct"], "taken": ["direct", "none"], "counts": [[3, 1]]},
    }
    (folder / "settings.json").write_text(json.dumps({"evaluation": "agent", "model": "x" * 300}))
    (folder / "metrics.json").write_text(json.dumps(found))
    for n in range(3):
        append_result(
            folder / "results.jsonl", {"id": f"c{n}", "title": "How?", "columns": columns, "scores": {}}
        )
    return write_report(folder)


def browse(page: Path, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(BROWSER), *QUIET, f"--user-data-dir={profile}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the page's console was told; the browser's own complaints about its machine are not ours."""
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_a_report_opens_without_errors_and_shows_its_plots_and_tables(tmp_path: Path) -> None:
    done = browse(report(tmp_path / "run", COLUMNS), tmp_path / "profile", "--dump-dom")
    assert errors(done) == []
    assert done.stdout.count('class="bar"') == 1
    assert done.stdout.count("<mark>eggs</mark>") == 3
    assert 'class="matrix"' in done.stdout
    assert '<span id="chosen">0</span>' in done.stdout


def test_the_script_keeps_what_a_reader_chooses(tmp_path: Path) -> None:
    page = report(tmp_path / "run", COLUMNS)
    # The page forbids any script but its own, so the reader's clicks come from a page that frames its text.
    acting = (
        page.read_text(encoding="utf-8")
        .replace("<meta http-equiv", "<meta name")
        .replace(
            "</body>",
            "<script>document.querySelectorAll('input')[0].click();document.querySelectorAll('input')[5].click();"
            "document.title = localStorage.getItem(key)</script></body>",
        )
    )
    (tmp_path / "acting.html").write_text(acting, encoding="utf-8")
    done = browse(tmp_path / "acting.html", tmp_path / "profile", "--dump-dom")
    assert errors(done) == []
    assert '<span id="chosen">2</span>' in done.stdout
    assert '<title>{"c0":"retrieval","c1":"tie"}</title>' in done.stdout


def test_a_script_that_came_in_with_a_text_does_not_run(tmp_path: Path) -> None:
    page = report(tmp_path / "run", COLUMNS)
    forged = page.read_text(encoding="utf-8").replace(
        "</main>", "<script>document.title='run'</script></main>"
    )
    page.write_text(forged, encoding="utf-8")
    done = browse(page, tmp_path / "profile", "--dump-dom")
    assert "<title>run</title>" not in done.stdout


def test_nothing_is_wider_than_a_phone(tmp_path: Path) -> None:
    page = report(tmp_path / "run", [{**COLUMNS[0], "text": "long" * 200}, COLUMNS[1]])
    # Headless windows have a least width of their own; frames have none.
    text = escape(page.read_text(encoding="utf-8"))
    frame = f'<iframe style="width: 375px; border: 0" srcdoc="{text}"></iframe>'
    measure = (
        "onload = () => { const page = frames[0].document.documentElement;"
        " document.title = `${frames[0].innerWidth}, ${page.scrollWidth - page.clientWidth} over` }"
    )
    (tmp_path / "phone.html").write_text(f"{frame}<script>{measure}</script>", encoding="utf-8")
    done = browse(tmp_path / "phone.html", tmp_path / "profile", "--dump-dom")
    assert errors(done) == []
    assert "<title>375, 0 over</title>" in done.stdout
