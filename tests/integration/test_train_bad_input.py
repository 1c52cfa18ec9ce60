"""Whatever a user can get wrong in a training run ends with one sentence and exit 1 or 2.

Nothing that is half-written is taken for whole: after the mend the same command, or --resume, does the rest.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_runs import ending_at_once, kitchen, metrics, settings, write_articles, write_config

from agent.cli import main

ROOT = Path(__file__).parents[2]
REWARDS = '''
import math, sys
calls = 0

def nan(prompts, completions, **columns):
    return [math.nan for _ in completions]

def short(prompts, completions, **columns):
    return [1.0]

def broken(prompts, completions, **columns):
    return [len(text) / 0 for text in completions]

def later(prompts, completions, **columns):
    """Fails in the fifth step, unless a file says that it was mended."""
    global calls
    calls += 1
    from pathlib import Path
    return [math.nan if calls > 8 and not Path("mended").exists() else float(len(t)) for t in completions]
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a kitchen and rewards of one's own."""
    kitchen(tmp_path)
    (tmp_path / "bad_rewards.py").write_text(REWARDS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # gone after the test, with the module that was found in it
    monkeypatch.delitem(sys.modules, "bad_rewards", raising=False)
    return tmp_path


Refused = Callable[..., str]


@pytest.fixture
def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs `train ppo`, which must fail, and gives its one sentence; it may have begun a run, no more."""

    def run(*options: str, config: str = "tiny.toml", out: str = "run", code: int = 1) -> str:
        capsys.readouterr()
        ended = main(["train", "ppo", config, "--out", out, *options])
        stdout, stderr = capsys.readouterr()
        assert (ended, stdout) == (code, "")
        assert "Traceback" not in stderr
        assert not [path for path in folder.rglob("*") if path.name.startswith(("policy", "step-"))]
        said = [line for line in stderr.splitlines() if not line.startswith("Judging")]
        assert len(said) == 1, said
        assert said[0].startswith("souschef: ")
        return said[0].removeprefix("souschef: ")

    return run


@pytest.mark.parametrize(
    ("reward", "sentence"),
    [
        (
            "nan",
            "The reward 'bad_rewards:nan' gave no finite number for 3 of 3 completions (the first is number "
            "1, with nan): let it return one for every completion, empty ones too.",
        ),
        (
            "short",
            "The reward 'bad_rewards:short' returned 1 numbers for 3 completions: let it return one for "
            "each.",
        ),
        (
            "broken",
            "The reward 'bad_rewards:broken' failed with ZeroDivisionError: division by zero (in "
            "bad_rewards.py, line 12): correct the reward, then start again.",
        ),
        (
            "brokn",
            "The module 'bad_rewards' has no function 'brokn': did you mean 'broken'?",
        ),
    ],
)
def test_a_bad_reward_is_named_with_what_it_did(refused: Refused, reward: str, sentence: str) -> None:
    assert refused(f'--set=rewards=["bad_rewards:{reward}"]') == sentence


def test_a_reward_that_fails_in_mid_run_can_be_mended_and_the_run_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "ppo", "tiny.toml", "--out", "run", '--set=rewards=["bad_rewards:later"]']
    assert main(command) == 1
    assert "no finite number for 4 of 4 completions" in capsys.readouterr().err
    assert sorted(path.name for path in (folder / "run/checkpoints").iterdir()) == [
        "step-000003",
        "step-000006",
    ]
    assert len(metrics(folder / "run")) == 6
    (folder / "mended").touch()
    assert main([*command, "--resume"]) == 0
    assert [line["step"] for line in metrics(folder / "run")] == list(range(1, 9))


def test_a_policy_that_ends_at_once_trains_on_empty_completions(folder: Path) -> None:
    kitchen(folder, ending_at_once())
    assert main(["train", "ppo", "tiny.toml", "--out", "run"]) == 0
    lines = metrics(folder / "run")
    assert [(line["response_tokens"], line["eos_share"], line["reward/rouge1"]) for line in lines] == [
        (1.0, 1.0, 0.0)
    ] * 8
    assert all(value is not None for line in lines for value in line.values())
    sample = json.loads((folder / "run/samples.jsonl").read_text().splitlines()[0])
    assert (sample["before"], sample["after"]) == ("", "")


def test_articles_longer_than_the_limit_are_cut_or_dropped_as_asked(folder: Path) -> None:
    from training import PPOTrainer

    long = {"article": "bread " * 500, "summary": "bread"}
    with (folder / "articles.jsonl").open("a") as file:
        file.write(json.dumps(long) + "\n")
    cut = PPOTrainer(settings(folder, eval_rows=0), folder / "cut")
    prompts = [prompt for step in range(4) for prompt in cut.prompts.batch(step, 4)]
    [whole] = [prompt for prompt in prompts[:15] if prompt.row.article == long["article"]]
    assert (len(whole.ids), whole.text.endswith("bread\nTL;DR:")) == (20, True)
    dropping = PPOTrainer(settings(folder, eval_rows=0, over_long="drop"), folder / "drop")
    prompts = dropping.prompts.batch(0, 15)
    assert 1 <= len({prompt.row.id for prompt in prompts}) < 14
    assert all(prompt.text == f"{prompt.row.article}\nTL;DR:" for prompt in prompts)
    assert main(["train", "ppo", "tiny.toml", "--out", "run", "--set", "steps=4"]) == 0
    assert main(["train", "ppo", "tiny.toml", "--out", "drop", "--set", "over_long=drop"]) == 0


def test_a_run_is_not_resumed_with_other_articles(folder: Path, refused: Refused) -> None:
    assert main(["train", "ppo", "tiny.toml", "--out", "began", "--set", "steps=2"]) == 0
    for made in ("policy", "checkpoints"):
        shutil.rmtree(folder / "began" / made)
    write_articles(folder / "articles.jsonl", rows=12)
    assert refused("--resume", "--set=steps=2", out="began") == (
        "The data are not those with which the run in began began (split.json): "
        "put them back, or choose another --out."
    )


def test_a_data_set_where_every_article_is_too_long_to_keep_is_named(refused: Refused) -> None:
    assert refused("--set=over_long=drop", "--set=max_prompt_tokens=7") == (
        "Every article is too long for max_prompt_tokens: raise it, or cut them."
    )


def test_a_limit_beyond_the_models_context_is_told_in_numbers(refused: Refused) -> None:
    assert refused("--set=max_prompt_tokens=60") == (
        "max_prompt_tokens 60 and max_new_tokens 8 make 68 tokens, and model reads 64 at most: "
        "lower one of them."
    )


def test_data_without_the_column_names_those_it_has(refused: Refused, folder: Path) -> None:
    (folder / "other.jsonl").write_text('{"title": "Soup", "summary": "Hot."}\n')
    said = refused('--set=data=["other.jsonl"]')
    assert "other.jsonl" in said
    assert "article" in said
    assert "title" in said
    assert "Soup" not in said


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--set=data=missing.jsonl"], ["missing.jsonl"]),
        (["--set=model=missing"], ["missing"]),
        (["--set=lerning_rate=1"], ["There is no setting 'lerning_rate': did you mean 'learning_rate'?"]),
        (["--set=steps=many"], ["steps is 'many': it must be a whole number."]),
        (["--set=over_long=keep"], ["over_long is 'keep': choose one of 'cut', 'drop'."]),
        (["--set=steps"], ["--set 'steps' has no value: write it as key=value."]),
        (["--set=prompt=sumarize"], ["There is no prompt 'sumarize': did you mean 'summarize'?"]),
        (["--set=rewards=ruoge1"], ["There is no reward 'ruoge1': did you mean 'rouge1'?"]),
        (["--set=eval_rows=14"], ["eval_rows 14 leaves nothing to train on"]),
        (["--set=mini_batch_size=3"], ["mini_batch_size 3 does not divide batch_size 4"]),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(refused: Refused, options: list[str], parts: list[str]) -> None:
    said = refused(*options)
    assert all(part in said for part in parts), said


def test_a_missing_config_names_those_that_ship(refused: Refused) -> None:
    said = refused(config="missing.toml")
    assert said.startswith("There is no config at missing.toml: those that ship lie in training/configs (")
    assert all(path.name in said for path in (ROOT / "training/configs").glob("*.toml"))


def test_a_config_that_is_no_toml_is_refused(refused: Refused, folder: Path) -> None:
    (folder / "broken.toml").write_text("steps = \n")
    assert refused(config="broken.toml").startswith("broken.toml cannot be read as TOML (")
    (folder / "folder.toml").mkdir()
    assert refused(config="folder.toml").startswith("folder.toml cannot be read as TOML (")


@pytest.mark.parametrize("out", ["articles.jsonl", "articles.jsonl/run", "/proc/run", "a" * 300])
def test_an_output_directory_that_cannot_be_is_refused_before_anything_is_loaded(
    refused: Refused, out: str
) -> None:
    said = refused("--set=model=missing", out=out)
    assert out in said
    assert said.endswith(("choose another --out.", "choose another folder."))


NOBODY = """
import os, sys
import agent.commands.train, training.trainer, training.run_directory, tempfile
from agent.cli import main
if os.geteuid() == 0:  # root may write everywhere
    os.seteuid(65534)
sys.exit(main(sys.argv[1:]))
"""


def test_an_output_directory_without_the_right_to_write_is_refused(folder: Path) -> None:
    (folder / "locked").mkdir(mode=0o555)
    folder.chmod(0o755)
    ended = subprocess.run(
        [sys.executable, "-c", NOBODY, "train", "ppo", "tiny.toml", "--out", "locked/run"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        1,
        "",
        "souschef: Cannot write locked/run: writing there is not permitted; choose another folder.\n",
    )


def test_a_run_is_neither_written_over_nor_resumed_with_other_settings(
    folder: Path, refused: Refused
) -> None:
    assert refused('--set=rewards=["bad_rewards:nan"]', out="begun").startswith("The reward")
    before = {path: path.read_bytes() for path in (folder / "begun").iterdir() if path.is_file()}
    assert refused(out="begun") == (
        "begun holds a run already: go on with it by --resume, or choose another --out."
    )
    options = ["--resume", '--set=rewards=["bad_rewards:nan"]', "--set=seed=5"]
    assert refused(*options, out="begun") == (
        "The run in begun began with seed = 0, not 5: resume it with the same settings, or choose "
        "another --out."
    )
    assert {path: path.read_bytes() for path in (folder / "begun").iterdir() if path.is_file()} == before
    (folder / "begun/config.json").write_text("[]")
    assert refused("--resume", out="begun") == "begun/config.json is no config: choose another --out."


@pytest.mark.parametrize(
    "arguments", [["train", "ppo"], ["train", "pqo", "x"], ["train", "ppo", "x", "--sed"]]
)
def test_wrong_usage_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("Error: ")


def test_a_real_process_says_its_sentence_alone(folder: Path) -> None:
    write_config(folder / "bad.toml", rewards=["bad_rewards:nan"], eval_rows=0)
    write_articles(folder / "articles.jsonl")
    ended = subprocess.run(
        [sys.executable, "-m", "agent", "train", "ppo", "bad.toml", "--json"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    said = [line for line in ended.stderr.splitlines() if not line.startswith("Judging")]
    assert [line[:48] for line in said] == ["souschef: The reward 'bad_rewards:nan' gave no f"]
    assert sorted(path.name for path in (folder / "runs/tiny").iterdir()) == [
        "config.json",
        "evaluation_before.jsonl",
        "split.json",
    ]
