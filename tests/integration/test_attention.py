"""Attention in blocks says what torch's kernel says, has its gradients, and leaves the model as it was."""

from typing import Any

import pytest
import torch
from tiny_policies import gpt2, llama
from torch.nn.functional import scaled_dot_product_attention

from training import attention
from training.attention import attention_in_blocks, causal_attention


@pytest.mark.parametrize("tokens", [1, 95, 96, 97, 200])
def test_it_is_torchs_attention_with_torchs_gradients(tokens: int) -> None:
    torch.manual_seed(0)
    query, key, value = inputs = [
        torch.randn(2, tokens, 3, 16).transpose(1, 2).requires_grad_() for _ in range(3)
    ]
    above = torch.randn(2, 3, tokens, 16)
    ours = causal_attention(query, key, value, 0.3)
    torchs = scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.3)
    torch.testing.assert_close(ours, torchs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        torch.autograd.grad(ours, inputs, above),
        torch.autograd.grad(torchs, inputs, above),
        rtol=1e-4,
        atol=1e-5,
    )


def test_later_tokens_have_no_influence() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, 200, 8) for _ in range(3))
    before = causal_attention(query, key, value, 1.0)
    key[:, :, 150:], value[:, :, 150:] = 1e4, -1e4
    after = causal_attention(query, key, value, 1.0)
    assert torch.equal(after[:, :, :150], before[:, :, :150])
    assert not torch.equal(after[:, :, 150:], before[:, :, 150:])


@pytest.mark.parametrize("made", [gpt2, llama])
def test_a_model_says_the_same_and_is_itself_again(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Size] = []

    def watched(query: torch.Tensor, *more: Any) -> torch.Tensor:
        seen.append(query.shape)
        return causal_attention(query, *more)

    monkeypatch.setattr(attention, "causal_attention", watched)
    model, _ = made()
    trunk, ids = model.get_decoder(), torch.arange(3, 300).repeat(2, 1)
    weights = list(trunk.parameters())

    def gradients() -> Any:
        return torch.autograd.grad(trunk(input_ids=ids).last_hidden_state.square().mean(), weights)

    expected = gradients()
    with attention_in_blocks(trunk):
        found = gradients()
    assert len(seen) == 2  # a layer each
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
    gradients()
    assert len(seen) == 2
    assert trunk.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("why", ["padded", "short", "cached", "bfloat16"])
def test_what_it_does_not_serve_is_left_to_torch(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "causal_attention", None)  # calling it would fail
    model, _ = gpt2()
    trunk, ids = model.get_decoder(), torch.arange(3, 20 if why == "short" else 300)[None]
    more: dict[str, Any] = {}
    if why == "padded":
        more["attention_mask"] = (torch.arange(ids.shape[1]) > 4).long()[None]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=why == "bfloat16"):
        if why == "cached":
            more["past_key_values"] = trunk(input_ids=ids, use_cache=True).past_key_values
            ids = ids[:, :2]
        with attention_in_blocks(trunk):
            assert torch.isfinite(trunk(input_ids=ids, **more).last_hidden_state).all()


def test_a_model_with_other_attention_keeps_it() -> None:
    model, _ = gpt2()
    model.set_attn_implementation("eager")
    with attention_in_blocks(model.get_decoder()):
        assert model.config._attn_implementation == "eager"
