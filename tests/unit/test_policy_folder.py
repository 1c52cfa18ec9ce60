"""A trained policy's folder, read without loading it, and what is said where it is not whole."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools.errors import TrainingError
from tools.files import replace_folder
from tools.policy_folder import PolicyCard, PolicyFolder, base_of, is_policy, read_policy

TENSORS = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
WEIGHTS = len(TENSORS).to_bytes(8, "little") + TENSORS + bytes(8)
FULL = PolicyCard("tl;dr", "full", "", "{{text}}\nTL;DR:", False, 500, 60)
ADAPTER = PolicyCard("short", "adapter", "smollm2-135m", "Shorten: {{text}}", True, 300, 40)


def a_run(folder: Path, card: PolicyCard = FULL, **said: Any) -> Path:
    """A finished run; `said` changes what policy.json says, None takes a field away."""
    policy = folder / "policy"
    policy.mkdir(parents=True)
    (folder / "metrics.jsonl").touch()
    fields = json.loads(card.to_json()) | said
    (policy / "policy.json").write_text(json.dumps({k: v for k, v in fields.items() if v is not None}))
    names = {"full": ("config.json", "model"), "adapter": ("adapter_config.json", "adapter_model")}[card.kind]
    (policy / names[0]).write_text("{}")
    (policy / f"{names[1]}.safetensors").write_bytes(WEIGHTS)
    if card.kind == "full":  # an adapter's base has one
        (policy / "tokenizer.json").write_text("{}")
    return folder


@pytest.mark.parametrize("card", [FULL, ADAPTER])
def test_a_run_and_its_policy_folder_are_read_alike(tmp_path: Path, card: PolicyCard) -> None:
    run = a_run(tmp_path / "run", card)
    assert read_policy(run) == read_policy(run / "policy") == PolicyFolder(run / "policy", card)
    assert read_policy(run).gguf is None


def test_a_card_of_an_earlier_version_has_no_penalty(tmp_path: Path) -> None:
    assert read_policy(a_run(tmp_path / "run", repetition_penalty=None)).card == FULL


def test_runs_and_policies_are_told_from_models(tmp_path: Path) -> None:
    run, model = a_run(tmp_path / "run"), tmp_path / "model"
    model.mkdir()
    (model / "config.json").touch()
    judged = [is_policy(path) for path in (run, run / "policy", model, tmp_path / "missing")]
    assert judged == [True, True, False, False]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"format": 2}, "has format 2 and this Souschef reads up to 1: update Souschef."),
        ({"format": None}, "states no format: copy the policy's folder again."),
        ({"chat": None}, "has no valid 'chat' (None): copy the policy's folder again."),
        ({"chat": 1}, "has no valid 'chat' (1): copy the policy's folder again."),
        ({"kind": "half"}, "has no valid 'kind' ('half'): copy the policy's folder again."),
        ({"kind": ["full"]}, "has no valid 'kind' (['full']): copy the policy's folder again."),
        ({"max_text_tokens": 0}, "has no valid 'max_text_tokens' (0): copy the policy's folder again."),
        (
            {"repetition_penalty": 0.5},
            "has no valid 'repetition_penalty' (0.5): copy the policy's folder again.",
        ),
        ({"max_new_tokens": True}, "has no valid 'max_new_tokens' (True): copy the policy's folder again."),
        ({"template": "TL;DR:"}, "has a template without {{text}}: put it where the text belongs."),
    ],
)
def test_what_is_wrong_with_the_card_is_named(tmp_path: Path, said: dict[str, Any], problem: str) -> None:
    run = a_run(tmp_path / "run", **said)
    with pytest.raises(TrainingError) as caught:
        read_policy(run)
    assert str(caught.value) == f"{run}/policy/policy.json {problem}"


@pytest.mark.parametrize("content", ["{", "[]", "\xff", ""])
def test_a_card_that_is_no_json_object_is_refused(tmp_path: Path, content: str) -> None:
    run = a_run(tmp_path / "run")
    (run / "policy" / "policy.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(TrainingError, match=r"policy\.json (is not JSON|states no format): copy"):
        read_policy(run)


def test_a_run_that_has_not_finished_is_told_from_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="There is no run at"):
        read_policy(tmp_path / "run")
    with pytest.raises(TrainingError, match="is not a training run"):
        read_policy(tmp_path)
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(TrainingError, match=r"is a run that has not finished: repeat .* with --resume"):
        read_policy(tmp_path)


@pytest.mark.parametrize("card", [FULL, ADAPTER])
def test_a_file_that_is_missing_is_named(tmp_path: Path, card: PolicyCard) -> None:
    folder = a_run(tmp_path / "run", card) / "policy"
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, content in whole.items():
        (folder / name).unlink()
        with pytest.raises(TrainingError, match=rf"{name}.*copy"):
            read_policy(folder.parent)
        (folder / name).write_bytes(content)
    assert read_policy(folder.parent).card == card


def test_weights_and_exports_that_are_cut_off_are_noticed(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    (run / "policy" / "policy.gguf").write_bytes(b"GGUF\3\0\0\0")
    with pytest.raises(TrainingError, match=r"policy\.gguf is incomplete: delete it or export it again"):
        _ = read_policy(run).gguf
    (run / "policy" / "model.safetensors").write_bytes(WEIGHTS[:-1])
    with pytest.raises(TrainingError, match=r"model\.safetensors is incomplete: copy"):
        read_policy(run)


def test_an_adapter_needs_a_base_that_is_there(tmp_path: Path) -> None:
    assert base_of(read_policy(a_run(tmp_path / "known", ADAPTER))) == "smollm2-135m"
    assert base_of(read_policy(a_run(tmp_path / "a path", ADAPTER, base=str(tmp_path)))) == str(tmp_path)
    with pytest.raises(
        TrainingError, match=r'base model /gone of .* is not here: put .* policy\.json, as "base"'
    ):
        base_of(read_policy(a_run(tmp_path / "moved", ADAPTER, base="/gone")))
    with pytest.raises(TrainingError, match="names no base"):
        read_policy(a_run(tmp_path / "none", ADAPTER, base=""))


# ---- a newer policy takes the place of an older one


def test_killed_between_two_renames_the_older_policy_is_read(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    (run / "policy").rename(run / "policy.previous")
    assert is_policy(run)
    assert read_policy(run) == PolicyFolder(run / "policy.previous", FULL)


@pytest.mark.parametrize("left_behind", [[], ["policy"], ["policy.previous"], ["policy", "policy.previous"]])
def test_a_new_policy_replaces_whatever_a_killed_process_left(tmp_path: Path, left_behind: list[str]) -> None:
    for name in left_behind:
        a_run(tmp_path / "old", name=name)
        (tmp_path / "old" / "policy").rename(tmp_path / name)
        (tmp_path / "old" / "metrics.jsonl").unlink()
        (tmp_path / "old").rmdir()
    a_run(tmp_path / "new", name="new")
    replace_folder(tmp_path / "new" / "policy", tmp_path / "policy")
    assert read_policy(tmp_path).card.name == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "policy"]
