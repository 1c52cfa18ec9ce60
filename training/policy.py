"""The policy: a causal language model with a scalar value head on the same trunk.

One forward pass gives log-probabilities and values, and the language model's head is computed at response
positions only. The reference policy of the KL penalty is the same model with its adapter off, or as it was at
the start (LoRA), or a frozen copy. Dropout is off: ratios are 1 until the weights move. Left out: encoders,
and models that do more to their logits than multiply hidden states with the output embeddings.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import TrainingError
from tools.files import expanded
from training.base_models import turn_dropout_off
from training.config import PPOConfig
from training.end_of_turn import end_of_turn
from training.last_block import last_feed_forward_at
from training.lora import as_reference, load_to_train
from training.policy_folder import VALUE_HEAD
from training.products import Forward, FrozenWeights, for_writing, linear, quick_products

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_CPU_TOKENS_AT_ONCE = 1024  # padding included; more takes more memory, and soon more time
_CPU_TOKENS_OF_ALL_WEIGHTS = 1536  # whose gradients are added up after each pass
_GPU_TOKENS_AT_ONCE = 16_384
_LOGITS_TOLERANCE = 1e-3  # of the largest logit
_ROUGH_TOLERANCE = 3e-2  # where the model rounds to bfloat16 or is quantized


@dataclass(frozen=True)
class Scored:
    """What the policy thinks of given responses: each (rows, response), zero after a row's end."""

    logprobs: "Tensor"
    values: "Tensor"


class Policy:
    """A causal LM (`model`, a PeftModel with LoRA), its tokenizer, its value head and its reference."""

    def __init__(self, model: Any, tokenizer: Any, *, precision: str = "fp32") -> None:
        import torch

        self.model, self.tokenizer, self.precision = _without_dropout(model), tokenizer, precision
        self.is_adapter = hasattr(model, "peft_config")
        self.device: torch.device = next(model.parameters()).device
        self._lm = model.get_base_model() if self.is_adapter else model
        self.trunk, self._head = self._lm.get_decoder(), self._lm.get_output_embeddings()
        self._head_weight = _float32_weight(self._head)
        self._frozen = FrozenWeights()
        self._writing_head: Forward | None = None
        self._reference = None if self.is_adapter else copy.deepcopy(self._lm).requires_grad_(False)
        self.end_tokens = _end_tokens(self._lm, tokenizer)
        self.padding_token = min(self.end_tokens)
        self.context_tokens: int = self._lm.config.get_text_config().max_position_embeddings
        self.value_head = _value_head(self._head.weight.shape[1]).to(self.device)
        _check_head(self)

    @classmethod
    def load(cls, config: PPOConfig, device: "torch.device | None" = None) -> "Policy":
        """The model that a config names, with a fresh adapter where it asks for one."""
        model, tokenizer = load_to_train(config, device)
        _fuse_gelu(model)
        policy = cls(model, tokenizer, precision=config.precision)
        _take_value_head(policy, expanded(config.model))
        return policy

    # ---- what is trained

    def trained(self) -> "dict[str, Tensor]":
        """The tensors that training changes, by name: the adapter or all weights, and the value head."""
        weights = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        return weights | {f"value_head.{name}": p for name, p in self.value_head.named_parameters()}

    def tokens_at_once(self, asked: int) -> int:
        """Tokens, padding included, of one forward pass with gradients."""
        if asked or self.device.type != "cpu":
            return asked or _GPU_TOKENS_AT_ONCE
        return _CPU_TOKENS_AT_ONCE if self.is_adapter else _CPU_TOKENS_OF_ALL_WEIGHTS

    # ---- what it thinks

    def autocast(self) -> AbstractContextManager[Any]:
        """Within it matrices are multiplied in bfloat16, where the precision asks for it."""
        import torch

        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def quick_products(self, trunk: Any, *, writing: bool = False) -> AbstractContextManager[None]:
        """Within it the trunk's layers multiply as this CPU does it soonest."""
        return quick_products(trunk, self.precision, writing=writing, frozen=self._frozen)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Within it the policy reads few tokens at a time, without gradients, its weights standing still."""
        import torch

        weight = _plain_weight(self._head, self._head_weight)
        with torch.no_grad(), self.autocast(), self.quick_products(self.trunk, writing=True):
            if weight is not None and weight.device.type == "cpu":
                still = None if weight.requires_grad else self._frozen
                self._writing_head = for_writing(weight, _bias(self._head), still)
            try:
                yield
            finally:
                self._writing_head = None

    def logits(self, hidden: "Tensor", temperature: float = 1.0) -> "Tensor":
        """Logits over the vocabulary in float32, at a temperature; 0 leaves them as they are."""
        logits = _logits(self._head, self._head_weight, hidden, self._frozen, self._writing_head)
        return logits if temperature in (0.0, 1.0) else logits / temperature

    def value(self, hidden: "Tensor") -> "Tensor":
        """The value head's word on hidden states (..., width): (...)."""
        import torch

        with torch.autocast(self.device.type, enabled=False):
            values: Tensor = self.value_head(hidden.float())[..., 0]
        return values

    def score(
        self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], temperature: float = 1.0
    ) -> Scored:
        """Log-probabilities and values of responses, in one pass over prompts and responses."""
        with self.autocast():
            hidden, targets, mask = self._at_responses(self.trunk, prompts, responses)
            logprobs = _logprobs(self.logits(hidden, temperature), targets)
            values = self.value(hidden)
        return Scored(_spread(logprobs, mask), _spread(values, mask))

    def values(self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]) -> "Tensor":
        """Values alone, (rows, response), with a gradient for the value head and none for the trunk."""
        import torch

        with torch.no_grad(), self.autocast():
            hidden, _, mask = self._at_responses(self.trunk, prompts, responses)
        return _spread(self.value(hidden), mask)

    def reference_logprobs(
        self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], temperature: float = 1.0
    ) -> "Tensor":
        """The reference policy's log-probabilities of responses: (rows, response)."""
        import torch

        with torch.no_grad(), self._referring() as (trunk, head), self.autocast():
            hidden, targets, mask = self._at_responses(trunk, prompts, responses)
            logits = _logits(head, self._head_weight, hidden, self._frozen)
            logprobs = _logprobs(logits / temperature, targets)
        return _spread(logprobs, mask)

    @contextmanager
    def _referring(self) -> Iterator[tuple[Any, Any]]:
        """Trunk and head of the reference policy."""
        if self._reference is not None:
            yield self._reference.get_decoder(), self._reference.get_output_embeddings()
        else:
            with as_reference(self.model):
                yield self.trunk, self._head

    def _at_responses(
        self, trunk: Any, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]
    ) -> "tuple[Tensor, Tensor, Tensor]":
        """Hidden states that foretell response tokens (tokens, width), those tokens, and where they stand.

        Rows are padded on the right: causal attention never looks there, so no mask is needed.
        """
        import torch

        rows = [[*prompt, *response] for prompt, response in zip(prompts, responses, strict=True)]
        longest, most = max(map(len, rows)), max(map(len, responses))
        ids = torch.tensor([row + [self.padding_token] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[n < len(response) for n in range(most)] for response in responses])
        row, place = mask.nonzero(as_tuple=True)
        before = torch.tensor([len(prompt) for prompt in prompts])[row] + place - 1
        targets = ids[row, before + 1].to(self.device)
        at = row.to(self.device), before.to(self.device)
        with last_feed_forward_at(trunk, at), self.quick_products(trunk):
            states = trunk(input_ids=ids.to(self.device), use_cache=False).last_hidden_state
        return states[at], targets, mask.to(self.device)


def _without_dropout(model: Any) -> Any:
    """The model as it is used; bitsandbytes repacks a 4-bit one unless it is in training mode."""
    four_bit = any(type(module).__name__ == "Linear4bit" for module in model.modules())
    if four_bit:
        turn_dropout_off(model)
    return model.train(four_bit)


def _float32_weight(head: Any) -> "Tensor | None":
    """A copy of a frozen head's weights in float32, where they are kept in less."""
    import torch

    plain = type(head) is torch.nn.Linear and head.weight.dtype in (torch.bfloat16, torch.float16)
    return head.weight.detach().float() if plain and not head.weight.requires_grad else None


def _plain_weight(head: Any, weight: "Tensor | None") -> "Tensor | None":
    """A head's weights in float32, or their copy; None for a head that is quantized or has an adapter."""
    import torch

    plain = type(head) is torch.nn.Linear and head.weight.dtype is torch.float32
    return head.weight if plain else weight


def _logits(
    head: Any,
    weight: "Tensor | None",
    hidden: "Tensor",
    frozen: FrozenWeights,
    written: "Forward | None" = None,
) -> "Tensor":
    """Logits in float32: bfloat16 rounds one near -90 by up to 0.25 nats, more than PPO's clip range."""
    import torch

    plain = _plain_weight(head, weight)
    if plain is None and head.weight.dtype != torch.float32:
        rounded: Tensor = head(hidden).float()
        return rounded
    states = hidden.float()
    with torch.autocast(hidden.device.type, enabled=False):
        if plain is None:
            whole: Tensor = head(states)
            return whole
        return written(states) if written else linear(states, plain, _bias(head), frozen)


def _bias(head: Any) -> "Tensor | None":
    """A plain head's bias in float32, where it has one."""
    return None if head.bias is None else head.bias.float()


def _logprobs(logits: "Tensor", targets: "Tensor") -> "Tensor":
    """Log-probabilities (tokens,) of target tokens under logits (tokens, vocabulary)."""
    import torch

    return -torch.nn.functional.cross_entropy(logits, targets, reduction="none")


def _spread(tokens: "Tensor", mask: "Tensor") -> "Tensor":
    """Values of real tokens (tokens,) at their places: (rows, response), zero elsewhere."""
    return tokens.new_zeros(mask.shape).masked_scatter(mask, tokens)


def _value_head(width: int) -> Any:
    """A linear layer that begins with the value 0 for every state.

    The usual random start, N(0, 1 / (width + 1)) in Huang et al. 2024 (arXiv 2403.17031), is for hidden
    states of size 1; some models' are several times larger, and the first advantages would be its noise.
    """
    import torch

    head = torch.nn.Linear(width, 1)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    return head


def _take_value_head(policy: Policy, run: Path) -> None:
    """Go on with the value head of an earlier run, where the model comes out of one."""
    from safetensors.torch import load_file

    for file in (run / "policy" / VALUE_HEAD, run / VALUE_HEAD):
        if file.is_file():
            tensors = load_file(file)
            if tensors["weight"].shape == policy.value_head.weight.shape:
                policy.value_head.load_state_dict(tensors)
            return


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    named = model.generation_config.eos_token_id if model.generation_config else None
    ends = [*(named if isinstance(named, list) else [named]), tokenizer.eos_token_id]
    if tokenizer.chat_template is not None:
        ends.append(end_of_turn(tokenizer))
    found = frozenset(int(token) for token in ends if token is not None)
    if not found:
        raise TrainingError(
            "The model names no token that ends a text: set eos_token in its tokenizer_config.json."
        )
    return found


def _fuse_gelu(model: Any) -> None:
    """GPT-2's "gelu_new" is the tanh approximation written out in seven passes; torch has it in one."""
    from transformers.activations import GELUTanh, NewGELUActivation

    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(module, name, GELUTanh())


def _check_head(policy: Policy) -> None:
    """Refuse a model whose logits are not its head's word on its trunk's states."""
    import torch

    ids = torch.tensor([[policy.padding_token]], device=policy.device)
    with torch.no_grad(), policy.autocast():
        whole = policy.model(input_ids=ids).logits.float()
        ours = policy.logits(policy.trunk(input_ids=ids).last_hidden_state)
    exact = policy.precision == "fp32" and policy.model.dtype == torch.float32
    tolerance = (_LOGITS_TOLERANCE if exact else _ROUGH_TOLERANCE) * float(whole.abs().max())
    if not torch.allclose(whole, ours, rtol=0.0, atol=tolerance):
        kind = policy.model.config.model_type
        raise TrainingError(
            f"Models of type {kind} change their logits in a way that PPO here does not know."
        )
