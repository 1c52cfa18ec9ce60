"""The adapters that ship can be trained again: a fast run of it all comes a stated part of the way."""

from contextlib import closing
from pathlib import Path

import pytest
from shared_data import DATA, needs_data

from agent.adapters import train
from agent.engines import Decoding, Usage, load_engine
from tools.policy_folder import read_policy

QUESTION = "How do I make plum dumplings?"


@needs_data
@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_a_fast_training_comes_part_of_the_way(tmp_path: Path) -> None:
    assert train.main(["--data", str(DATA), "--out", str(tmp_path), "--fast"]) == 0
    for stage in train.stages(fast=True):
        policy = read_policy(tmp_path / "fast" / stage.name)
        assert (policy.card.kind, policy.card.base) == ("adapter", "smollm2-135m")
        assert (policy.gguf is not None) or not stage.ships_as
    train.ship(tmp_path / "fast/react/policy", tmp_path / "shipped")
    with closing(load_engine(adapter=tmp_path / "shipped/adapter.gguf")) as engine:
        *text, usage = engine.stream([{"role": "user", "content": QUESTION}], Decoding(max_tokens=8))
    assert isinstance(usage, Usage)
    assert "".join(map(str, text)).strip()


def test_a_fast_run_is_not_shipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert train.main(["--data", str(tmp_path), "--out", str(tmp_path), "--fast", "--ship"]) == 1
    assert "leave one of --fast and --ship out" in caplog.text
