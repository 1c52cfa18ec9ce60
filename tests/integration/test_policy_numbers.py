"""A policy's numbers: ratios are 1 until its weights move, and what pads a batch changes nothing.

The models are tiny and random, of two architectures, and have dropout in their configs. Prompts and answers
are of different lengths, so that each batch is padded, on the left in rollouts and on the right in updates.
"""

from typing import Any

import pytest
import torch
from numpy.testing import assert_allclose

from training.policy import Policy
from training.rollouts import Sampling, generate

PROMPTS = [[3, 4, 5, 6, 7, 8, 9], [3, 4], [5]]
RESPONSES = [[4, 4], [5, 6, 7, 1], [9]]


def tiny_policy(architecture: str) -> Policy:
    """A random model with dropout in its config, and a vocabulary of bare numbers of which 1 ends a text."""
    from tokenizers import Tokenizer, models
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    torch.manual_seed(0)
    shared: dict[str, Any] = {
        "vocab_size": 24,
        "bos_token_id": 1,
        "eos_token_id": 1,
        "initializer_range": 0.3,
    }
    model: Any
    if architecture == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(n_positions=64, n_embd=32, n_layer=2, n_head=2, **shared))
    else:
        sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
        sizes |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
        model = LlamaForCausalLM(LlamaConfig(**sizes, **shared, attention_dropout=0.1))
    make: Any = PreTrainedTokenizerFast
    words = {str(number): number for number in range(24)}
    tokenizer = make(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="0")), eos_token="1")
    return Policy(model.train(), tokenizer)


both_architectures = pytest.mark.parametrize("architecture", ["gpt2", "llama"])


@both_architectures
def test_ratios_are_1_until_the_weights_move(architecture: str) -> None:
    policy = tiny_policy(architecture)
    rollout = generate(policy, PROMPTS, Sampling(max_new_tokens=12, temperature=0.7), seeds=[1, 2, 3])
    scored = policy.score(rollout.prompts, rollout.responses, temperature=0.7)
    for row, response in enumerate(rollout.responses):
        ratios = (scored.logprobs[row, : len(response)] - rollout.logprobs[row]).exp()
        assert_allclose(ratios.detach().numpy(), 1.0, atol=1e-4)
        assert_allclose(scored.values[row, : len(response)].detach(), rollout.values[row], atol=1e-4)


@both_architectures
def test_log_probabilities_are_those_of_the_whole_model(architecture: str) -> None:
    policy = tiny_policy(architecture)
    scored = policy.score(PROMPTS, RESPONSES)
    for row, (prompt, response) in enumerate(zip(PROMPTS, RESPONSES, strict=True)):
        logits = policy.model(input_ids=torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        alone = logits.log_softmax(-1)[range(len(response)), response]
        assert_allclose(scored.logprobs[row, : len(response)].detach(), alone.detach(), atol=1e-5)
        assert not scored.logprobs[row, len(response) :].any()


@both_architectures
def test_the_tokens_that_pad_a_batch_have_no_influence(architecture: str) -> None:
    policy = tiny_policy(architecture)
    sampling = Sampling(max_new_tokens=6)
    before = policy.score(PROMPTS, RESPONSES), generate(policy, PROMPTS, sampling, seeds=[1, 2, 3])
    policy.padding_token = 17
    after = policy.score(PROMPTS, RESPONSES), generate(policy, PROMPTS, sampling, seeds=[1, 2, 3])
    assert torch.equal(before[0].logprobs, after[0].logprobs)
    assert torch.equal(before[0].values, after[0].values)
    assert before[1].responses == after[1].responses
    assert all(map(torch.equal, before[1].logprobs, after[1].logprobs))


@both_architectures
def test_a_prompt_is_continued_the_same_alone_and_beside_longer_ones(architecture: str) -> None:
    policy = tiny_policy(architecture)
    sampling = Sampling(max_new_tokens=8)
    together = generate(policy, PROMPTS, sampling, seeds=[1, 2, 3])
    for row, prompt in enumerate(PROMPTS):
        alone = generate(policy, [prompt], sampling, seeds=[row + 1])
        assert alone.responses == [together.responses[row]]
        assert_allclose(alone.logprobs[0], together.logprobs[row], atol=1e-5)
