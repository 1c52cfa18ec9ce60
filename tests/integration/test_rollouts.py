"""Rollouts sample what the model says: the right tokens in the right shares, a row whatever its company."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from test_policy_numbers import PROMPTS, both_architectures, tiny_policy

from training.policy import Policy
from training.rollouts import Rollout, Sampling, generate, texts

END = 1
MANY = [[3, 4, 5, 6, 7, 8, 9], [3, 4], [5], [6, 2, 11, 12], [9, 9, 9], [20, 21], [2, 3, 4, 5, 6]]
ROWS = 4000
TOO_FAR = 0.05  # total variation; 4,000 draws of 24 tokens are about 0.03 from where they come


def distribution(policy: Policy, prompt: Sequence[int], temperature: float = 1.0) -> Any:
    """The model's own next-token probabilities, (vocabulary,), in float64."""
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([list(prompt)])).logits[0, -1].double()
    return (logits / temperature).softmax(-1).numpy()


def drawn(policy: Policy, prompt: list[int], sampling: Sampling) -> Rollout:
    return generate(policy, [prompt] * ROWS, sampling, seeds=range(ROWS))


def shares(tokens: Sequence[int]) -> Any:
    return np.bincount(tokens, minlength=24) / len(tokens)


def apart(one: Any, other: Any) -> float:
    """The total variation between two distributions."""
    return float(np.abs(one - other).sum() / 2)


@both_architectures
def test_a_row_stops_at_its_end_token_or_at_the_limit(architecture: str) -> None:
    rollout = generate(tiny_policy(architecture), MANY * 20, Sampling(max_new_tokens=9), seeds=range(140))
    assert {len(response) for response in rollout.responses} == set(range(1, 10))
    for row, response in enumerate(rollout.responses):
        assert END not in response[:-1]
        assert rollout.finished[row] == (response[-1] == END)
        assert rollout.finished[row] or len(response) == 9
        assert rollout.logprobs[row].shape == rollout.values[row].shape == (len(response),)


def test_every_end_token_that_a_model_names_ends_a_row() -> None:
    policy = tiny_policy("gpt2")
    policy.model.generation_config.eos_token_id = [1, 2, 3]
    policy = Policy(policy.model, policy.tokenizer)
    assert policy.end_tokens == {1, 2, 3}
    rollout = generate(policy, MANY * 20, Sampling(max_new_tokens=9), seeds=range(140))
    assert {response[-1] for response in rollout.responses} >= {1, 2, 3}
    assert all(not {1, 2, 3} & set(response[:-1]) for response in rollout.responses)


@both_architectures
def test_a_row_depends_on_its_prompt_and_seed_and_not_on_its_place(architecture: str) -> None:
    policy, sampling = tiny_policy(architecture), Sampling(max_new_tokens=9)
    order = [4, 2, 6, 0, 1, 5, 3]
    one = generate(policy, MANY, sampling, seeds=range(7))
    other = generate(policy, [MANY[row] for row in order], sampling, seeds=order)
    assert other.responses == [one.responses[row] for row in order]
    for place, row in enumerate(order):
        assert_allclose(other.logprobs[place], one.logprobs[row], atol=1e-5)
        assert_allclose(other.values[place], one.values[row], atol=1e-5)


def test_a_seed_gives_one_answer_and_other_seeds_others() -> None:
    policy, sampling = tiny_policy("gpt2"), Sampling(max_new_tokens=9)
    one, again, other = (generate(policy, MANY, sampling, range(n, n + 7)).responses for n in (0, 0, 7))
    assert one == again
    assert one != other
    same_prompt = drawn(policy, [3, 4], Sampling(max_new_tokens=9)).responses
    assert len(set(map(tuple, same_prompt))) > ROWS // 2


@both_architectures
def test_greedy_tokens_are_those_of_transformers(architecture: str) -> None:
    policy = tiny_policy(architecture)
    width = max(map(len, MANY))
    ids = torch.tensor([[END] * (width - len(prompt)) + prompt for prompt in MANY])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in MANY])
    theirs = policy.model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=20, do_sample=False, pad_token_id=END
    )[:, width:].tolist()
    expected = [row[: row.index(END) + 1] if END in row else row for row in theirs]
    assert len(set(map(tuple, expected))) > 1
    ours = generate(policy, MANY, Sampling(max_new_tokens=20, temperature=0.0), seeds=range(7))
    assert ours.responses == expected


@both_architectures
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_tokens_are_drawn_in_the_models_own_shares(architecture: str, temperature: float) -> None:
    policy = tiny_policy(architecture)
    rollout = drawn(policy, [3, 4, 5], Sampling(max_new_tokens=2, temperature=temperature))
    firsts = [response[0] for response in rollout.responses]
    assert apart(shares(firsts), distribution(policy, [3, 4, 5], temperature)) < TOO_FAR
    assert apart(shares(firsts), distribution(policy, [3, 4, 5], 1.6 - temperature)) > TOO_FAR
    common = int(np.argmax([count * (token != END) for token, count in enumerate(np.bincount(firsts))]))
    seconds = [response[1] for response in rollout.responses if response[0] == common]
    expected = distribution(policy, [3, 4, 5, common], temperature)
    assert apart(shares(seconds), expected) < TOO_FAR * (ROWS / len(seconds)) ** 0.5


def test_top_k_draws_from_the_k_likeliest_in_their_shares() -> None:
    policy = tiny_policy("gpt2")
    firsts = [row[0] for row in drawn(policy, [3, 4], Sampling(max_new_tokens=1, top_k=3)).responses]
    expected = distribution(policy, [3, 4])
    expected[np.argsort(expected)[:-3]] = 0
    assert set(firsts) == set(np.flatnonzero(expected))
    assert apart(shares(firsts), expected / expected.sum()) < TOO_FAR


def test_top_p_draws_from_the_smallest_set_that_holds_the_share() -> None:
    policy = tiny_policy("gpt2")
    firsts = [row[0] for row in drawn(policy, [3, 4], Sampling(max_new_tokens=1, top_p=0.5)).responses]
    expected = distribution(policy, [3, 4])
    likeliest = np.argsort(-expected)
    needed = int(np.searchsorted(expected[likeliest].cumsum(), 0.5)) + 1
    expected[likeliest[needed:]] = 0
    assert set(firsts) == set(np.flatnonzero(expected))
    assert apart(shares(firsts), expected / expected.sum()) < TOO_FAR


@both_architectures
@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 1e-9}, {"temperature": 1e-4}], ids=str)
def test_the_narrowest_sampling_is_greedy(architecture: str, narrow: dict[str, Any]) -> None:
    policy = tiny_policy(architecture)
    greedy = generate(policy, MANY, Sampling(max_new_tokens=12, temperature=0.0), seeds=range(7))
    narrowed = generate(policy, MANY, Sampling(max_new_tokens=12, **narrow), seeds=range(7))
    assert narrowed.responses == greedy.responses


def test_log_probabilities_are_of_all_tokens_however_few_are_drawn_from() -> None:
    policy = tiny_policy("gpt2")
    rollout = generate(policy, PROMPTS, Sampling(max_new_tokens=6, top_k=2, top_p=0.9), seeds=[1, 2, 3])
    scored = policy.score(rollout.prompts, rollout.responses)
    for row, logprobs in enumerate(rollout.logprobs):
        assert_allclose(scored.logprobs[row, : len(logprobs)].detach(), logprobs, atol=1e-5)


def test_texts_are_without_the_end_token() -> None:
    policy = tiny_policy("gpt2")
    assert texts(policy, Rollout(responses=[[4, 5, END], [END], [7]])) == ["4 5", "", "7"]


def test_no_prompts_are_an_empty_rollout() -> None:
    assert generate(tiny_policy("gpt2"), [], Sampling(max_new_tokens=6), []) == Rollout()
