"""Linear layers the other way round say the same, and are themselves again afterwards."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from tiny_policies import gpt2, llama
from transformers.pytorch_utils import Conv1D

from training import lora_products, products
from training.products import MOST_ROWS, FrozenWeights, quick_products, times_few_rows

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
        with quick_products(trunk, writing=True):
            assert all("forward" in vars(layer) for layer in layers)
            within = trunk(input_ids=ids).last_hidden_state
        after = trunk(input_ids=ids).last_hidden_state
    assert len(layers) >= 8
    assert not any("forward" in vars(layer) for layer in layers)
    torch.testing.assert_close(within, before, rtol=1e-5, atol=1e-5)
    assert torch.equal(after, before)


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_onednn_says_what_a_linear_layer_says_and_has_its_gradients(with_bias: bool, turned: bool) -> None:
    torch.manual_seed(0)
    rows, weight = torch.randn(3, 5, 24), torch.randn(24, 40).t() if turned else torch.randn(40, 24)
    bias, above = torch.randn(40) if with_bias else None, torch.randn(3, 5, 40)
    inputs = [one.requires_grad_() for one in (rows, weight, bias) if one is not None]
    found, expected = (
        (product, torch.autograd.grad(product, inputs, above))
        for product in (
            products._times_rows_by_onednn()(rows, weight, bias),
            torch.nn.functional.linear(rows, weight, bias),
        )
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("made", [gpt2, llama])
def test_a_trunk_says_the_same_by_onednn(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_has_slow_blas", lambda: True)
    monkeypatch.setattr(products, "_LEAST_WIDTH", 1)
    model, _ = made()
    trunk = model.get_decoder().eval()
    ids, weights = torch.tensor([[3, 1, 4, 1, 5]]), list(trunk.parameters())
    by_itself = torch.autograd.grad(trunk(input_ids=ids).last_hidden_state.square().sum(), weights)
    with quick_products(trunk):
        assert any("forward" in vars(layer) for layer in trunk.modules())
        within = torch.autograd.grad(trunk(input_ids=ids).last_hidden_state.square().sum(), weights)
    torch.testing.assert_close(within, by_itself, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("cpu", "slow"), [("vendor_id\t: AuthenticAMD", True), ("vendor_id\t: GenuineIntel", False), ("", False)]
)
def test_mkl_is_slow_on_amd_alone(cpu: str, slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_cpu", lambda: cpu)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert products._has_slow_blas.__wrapped__() == (slow and torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]


def adapted(made: Any, **settings: Any) -> Any:
    """A tiny model with an adapter that does something."""
    from peft import LoraConfig, get_peft_model

    base, _ = made()
    turned = base.config.model_type == "gpt2"
    lora = LoraConfig(
        r=4, target_modules="all-linear", init_lora_weights=False, fan_in_fan_out=turned, **settings
    )
    return get_peft_model(base, lora)


@pytest.mark.parametrize("made", [gpt2, llama])
@pytest.mark.parametrize(
    ("slow_blas", "frozen"), [(True, FrozenWeights()), (True, None), (False, FrozenWeights())]
)
def test_an_adapter_added_in_place_has_the_same_gradients(
    made: Any, slow_blas: bool, frozen: FrozenWeights | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_has_slow_blas", lambda: slow_blas)
    monkeypatch.setattr(products, "_LEAST_WIDTH", 1)
    model = adapted(made)
    trunk = model.get_base_model().get_decoder()
    ids, weights = torch.tensor([[3, 1, 4, 1, 5]] * 2), [w for w in model.parameters() if w.requires_grad]
    by_itself = torch.autograd.grad(trunk(input_ids=ids).last_hidden_state.square().sum(), weights)
    with quick_products(trunk, frozen=frozen):
        changed = [layer for layer in trunk.modules() if "forward" in vars(layer)]
        within = torch.autograd.grad(trunk(input_ids=ids).last_hidden_state.square().sum(), weights)
    assert len(changed) >= 8
    assert not frozen or (len(frozen._copies) > 0) == slow_blas
    assert all(hasattr(layer, "lora_A") for layer in changed)
    torch.testing.assert_close(within, by_itself, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("made", [gpt2, llama])
@pytest.mark.parametrize("writing", [True, False])
def test_weights_that_are_trained_are_read_as_they_are_now(
    made: Any, writing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_has_slow_blas", lambda: True)
    monkeypatch.setattr(products, "_LEAST_WIDTH", 1)
    frozen, (model, _) = FrozenWeights(), made()
    trunk, ids = model.get_decoder().eval(), torch.tensor([[3, 1, 4, 1, 5]])
    for _ in range(2):
        with torch.no_grad():
            expected = trunk(input_ids=ids).last_hidden_state
            with quick_products(trunk, writing=writing, frozen=frozen):
                found = trunk(input_ids=ids).last_hidden_state
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
            for weight in trunk.parameters():
                weight *= 1.5


def test_what_would_take_too_much_memory_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_MOST_PACKED_BYTES", 100)
    frozen, large, small = FrozenWeights(), torch.randn(8, 4), torch.randn(4, 4)
    assert frozen.packed(large) is large
    assert frozen.packed(small) is not small  # what was refused takes no room


@pytest.mark.parametrize("settings", [{"lora_dropout": 0.5}, {"use_dora": True}, {"lora_bias": True}])
def test_an_adapter_that_does_more_is_left_to_peft(settings: dict[str, Any]) -> None:
    trunk = adapted(gpt2, **settings).train().get_base_model().get_decoder()
    layers = [layer for layer in trunk.modules() if hasattr(layer, "lora_A")]
    found = [lora_products.has_plain_lora(layer) and lora_products.adds_in_place(layer) for layer in layers]
    assert found == [False] * len(layers)


@pytest.mark.parametrize("made", [gpt2, llama])
@pytest.mark.parametrize("switched_on", [True, False])
def test_an_adapter_is_merged_for_writing_alone(made: Any, switched_on: bool) -> None:
    model = adapted(made).eval()
    trunk = model.get_base_model().get_decoder()
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    with torch.no_grad(), nullcontext() if switched_on else model.disable_adapter():
        before = trunk(input_ids=ids).last_hidden_state
        with quick_products(trunk, writing=True):
            changed = [layer for layer in trunk.modules() if "forward" in vars(layer)]
            within = trunk(input_ids=ids).last_hidden_state
        after = trunk(input_ids=ids).last_hidden_state
    assert all(hasattr(layer, "lora_A") for layer in changed) == switched_on
    torch.testing.assert_close(within, before, rtol=1e-4, atol=1e-4)
    assert torch.equal(after, before)
