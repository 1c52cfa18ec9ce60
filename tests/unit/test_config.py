"""A config is the TOML file, the flags and the record: what it takes, and what it says of anything else."""

from pathlib import Path
from typing import Any

import pytest

from tools.errors import TrainingError
from training.config import PPOConfig, RewardSpec, from_dict, load_config, to_json
from training.supervised_config import RewardModelConfig, SFTConfig

CONFIGS = sorted((Path(__file__).parents[2] / "training/configs").glob("*.toml"))
CLASSES = {"ppo": PPOConfig, "sft": SFTConfig, "reward": RewardModelConfig}


def refused(**settings: Any) -> str:
    with pytest.raises(TrainingError) as error:
        from_dict(PPOConfig, settings)
    return str(error.value)


def test_configs_ship_for_every_exercise() -> None:
    names = {path.stem for path in CONFIGS}
    assert names >= {"ppo_gpt2_cnn", "ppo_smollm2_summaries", "ppo_detoxify", "ppo_tiny"}
    assert {name.partition("_")[0] for name in names} <= set(CLASSES)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_that_ships_loads_and_is_read_again_from_its_record(path: Path) -> None:
    cls: Any = CLASSES[path.stem.partition("_")[0]]
    config = load_config(cls, path)
    assert from_dict(cls, to_json(config)) == config
    assert config != cls()


def test_the_config_for_gpt2_cnn_has_the_exercises_settings() -> None:
    config = load_config(PPOConfig, next(path for path in CONFIGS if path.stem == "ppo_gpt2_cnn"))
    assert (config.model, config.data, config.data_subset, config.data_split) == (
        "gpt2-cnn",
        ("abisee/cnn_dailymail",),
        "1.0.0",
        "validation",
    )
    assert (config.max_prompt_tokens, config.max_new_tokens, config.top_k, config.top_p) == (512, 128, 0, 1.0)
    assert (config.steps, config.batch_size, config.mini_batch_size, config.ppo_epochs) == (250, 4, 4, 4)
    assert (config.learning_rate, config.temperature, config.rewards) == (
        1.41e-5,
        1.0,
        (RewardSpec("rouge1"),),
    )


def test_overrides_win_over_the_file_and_are_toml_or_bare_words(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('name = "file"\nsteps = 3\nseed = 4\n')
    overrides = [
        "name=flag",
        "steps=5",
        'data=["a.jsonl", "b.csv"]',
        "kl_coef = 1",
        'model="2"',
        "prompt=a=b",
    ]
    config = load_config(PPOConfig, tmp_path / "a.toml", overrides)
    assert (config.name, config.steps, config.seed) == ("flag", 5, 4)
    assert (config.data, config.kl_coef, config.model, config.prompt) == (
        ("a.jsonl", "b.csv"),
        1.0,
        "2",
        "a=b",
    )
    assert isinstance(config.kl_coef, float)


def test_a_reward_is_a_name_or_a_table_with_its_options_beside() -> None:
    tables = ["rouge1", {"name": "length_penalty", "weight": 2, "max_words": 60}]
    config = from_dict(PPOConfig, {"rewards": tables})
    assert config.rewards == (
        RewardSpec("rouge1"),
        RewardSpec("length_penalty", 2.0, {"max_words": 60}),
    )
    assert from_dict(PPOConfig, to_json(config)) == config


def test_a_single_value_stands_for_a_list_of_one() -> None:
    config = from_dict(PPOConfig, {"data": "a.jsonl", "eval_temperatures": 0})
    assert (config.data, config.eval_temperatures) == (("a.jsonl",), (0.0,))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lerning_rate": 1}, "There is no setting 'lerning_rate': did you mean 'learning_rate'?"),
        ({"steps": "many"}, "steps is 'many': it must be a whole number."),
        ({"steps": 2.5}, "steps is 2.5: it must be a whole number."),
        ({"steps": True}, "steps is True: it must be a whole number."),
        ({"kl_coef": "low"}, "kl_coef is 'low': it must be a number."),
        ({"kl_coef": True}, "kl_coef is True: it must be a number."),
        ({"whiten_advantages": 1}, "whiten_advantages is 1: it must be true or false."),
        ({"name": 3}, "name is 3: it must be a text."),
        ({"data": [3]}, "data is 3: it must be a text."),
        ({"over_long": "keep"}, "over_long is 'keep': choose one of 'cut', 'drop'."),
        ({"precision": "fp16"}, "precision is 'fp16': choose one of 'fp32', 'bf16'."),
        ({"steps": 0}, "steps is 0: it must be above 0."),
        ({"kl_coef": -0.1}, "kl_coef is -0.1: it must be at least 0."),
        ({"gamma": 1.5}, "gamma is 1.5: it must be at least 0 and at most 1."),
        ({"learning_rate": float("nan")}, "learning_rate is nan: it must be above 0."),
        (
            {"batch_size": 4, "mini_batch_size": 3},
            "mini_batch_size 3 does not divide batch_size 4: choose one that does.",
        ),
        (
            {"rewards": []},
            'A run needs a reward: add [[rewards]] with name = "rouge1", for example.',
        ),
        (
            {"rewards": [3]},
            'The reward 3 cannot be read: write {name = "rouge1", weight = 1.0}, options beside.',
        ),
        ({"quantize": "4bit"}, "A quantized base cannot be trained itself: set lora_rank, such as 16."),
        ({"min_prompt_tokens": 600}, "min_prompt_tokens is above max_prompt_tokens: lower it."),
    ],
    ids=str,
)
def test_a_wrong_setting_is_told_with_what_would_be_right(settings: dict[str, Any], sentence: str) -> None:
    assert refused(**settings) == sentence


def test_a_config_never_changes() -> None:
    with pytest.raises(AttributeError):
        PPOConfig().steps = 3  # type: ignore[misc]


def test_a_weight_of_no_opening_is_refused() -> None:
    with pytest.raises(TrainingError, match="opening_weight needs opening_tokens: set how many it weighs"):
        from_dict(SFTConfig, {"opening_weight": 15})
