"""Linear layers the other way round say the same, and are themselves again afterwards."""

from typing import Any

import pytest
import torch
from tiny_policies import gpt2, llama
from transformers.pytorch_utils import Conv1D

from training.few_rows import MOST_ROWS, for_few_rows, times_few_rows

LAYERS = (torch.nn.Linear, Conv1D)


@pytest.mark.parametrize("shape", [(1, 24), (4, 1, 24), (MOST_ROWS, 24)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_a_product_is_that_of_a_linear_layer(shape: tuple[int, ...], with_bias: bool) -> None:
    torch.manual_seed(0)
    rows, weight = torch.randn(shape), torch.randn(40, 24)
    bias = torch.randn(40) if with_bias else None
    expected = torch.nn.functional.linear(rows, weight, bias)
    torch.testing.assert_close(times_few_rows(rows, weight, bias), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("made", [gpt2, llama])
def test_a_trunk_says_the_same_and_is_itself_again(made: Any) -> None:
    model, _ = made()
    trunk = model.get_decoder().eval()
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    layers = [layer for layer in trunk.modules() if type(layer) in LAYERS]
    with torch.no_grad():
        before = trunk(input_ids=ids).last_hidden_state
        with for_few_rows(trunk):
            assert all("forward" in vars(layer) for layer in layers)
            within = trunk(input_ids=ids).last_hidden_state
        after = trunk(input_ids=ids).last_hidden_state
    assert len(layers) >= 8
    assert not any("forward" in vars(layer) for layer in layers)
    torch.testing.assert_close(within, before, rtol=1e-5, atol=1e-5)
    assert torch.equal(after, before)
