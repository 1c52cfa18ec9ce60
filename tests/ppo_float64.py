"""PPO for language models in float64 NumPy, written from the papers: what training/ppo.py is held against.

Plain loops over rows and steps, each sum as the paper prints it and not as one would compute it: advantages
are the discounted sum itself, not its recursion. Arrays are (rows, response); `mask` is True at real tokens,
at the left of a row. What lies at masked positions is never read. Nothing here looks at the product.

GAE: Schulman et al. 2016, "High-Dimensional Continuous Control Using Generalized Advantage Estimation".
PPO: Schulman et al. 2017, "Proximal Policy Optimization Algorithms". Ziegler: Ziegler et al. 2019,
"Fine-Tuning Language Models from Human Preferences". Stiennon: Stiennon et al. 2020, "Learning to summarize
from human feedback". N+: Huang et al. 2024, arXiv 2403.17031.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def real_tokens(mask: Mask) -> Iterator[tuple[int, int]]:
    """Row and position of each token that the policy wrote."""
    for row in range(mask.shape[0]):
        for position in range(mask.shape[1]):
            if mask[row, position]:
                yield row, position


def token_rewards(
    scores: Floats, logprobs: Floats, reference_logprobs: Floats, mask: Mask, kl_coef: float
) -> Floats:
    """Ziegler eq. (2), R = r(x, y) - beta log(pi(y|x) / rho(y|x)), token by token.

    The log-ratio of a response is the sum over its tokens, so each token pays for its own part; the score is
    given once, with the last real token (Stiennon 3.4: it is for the whole summary, and a step is a token).
    """
    rewards = np.zeros(mask.shape)
    for row, position in real_tokens(mask):
        rewards[row, position] = -kl_coef * (logprobs[row, position] - reference_logprobs[row, position])
    for row in range(mask.shape[0]):
        last = max(position for position in range(mask.shape[1]) if mask[row, position])
        rewards[row, last] += scores[row]
    return rewards


def advantages_and_returns(
    rewards: Floats, values: Floats, mask: Mask, gamma: float, lam: float
) -> tuple[Floats, Floats]:
    """GAE eq. (16), A_t = sum over l of (gamma lambda)^l delta_(t+l), and returns A_t + V(s_t).

    delta_t = r_t + gamma V(s_(t+1)) - V(s_t) (GAE, the TD residual of section 3), and V is 0 after the last
    real token, where the episode ends (Ziegler 2.1: a response is an episode). The sum of advantage and value
    is the lambda-return that the value function is fitted to (N+ detail on the value loss).
    """
    advantages, returns = np.zeros(mask.shape), np.zeros(mask.shape)
    for row in range(mask.shape[0]):
        length = int(mask[row].sum())
        value = [float(values[row, t]) for t in range(length)] + [0.0]
        delta = [rewards[row, t] + gamma * value[t + 1] - value[t] for t in range(length)]
        for t in range(length):
            advantages[row, t] = sum((gamma * lam) ** step * delta[t + step] for step in range(length - t))
            returns[row, t] = advantages[row, t] + value[t]
    return advantages, returns


def whiten(values: Floats, mask: Mask) -> Floats:
    """(x - mean) / sqrt(var + 1e-8) over the real tokens of the batch, 0 elsewhere.

    N+ on advantage whitening, after the code of Ziegler, whose variance divides by n and not by n - 1.
    """
    real = [float(values[at]) for at in real_tokens(mask)]
    mean = sum(real) / len(real)
    variance = sum((value - mean) ** 2 for value in real) / len(real)
    whitened = np.zeros(mask.shape)
    for at in real_tokens(mask):
        whitened[at] = (values[at] - mean) / (variance + 1e-8) ** 0.5
    return whitened


def policy_loss(
    logprobs: Floats, old_logprobs: Floats, advantages: Floats, mask: Mask, clip_range: float
) -> tuple[float, float]:
    """PPO eq. (7) with its sign turned, summed over tokens, and at how many tokens the clipped term decides.

    L = min(r A, clip(r, 1 - eps, 1 + eps) A), r = pi(a|s) / pi_old(a|s).
    """
    loss, clipped_tokens = 0.0, 0.0
    for at in real_tokens(mask):
        ratio = float(np.exp(logprobs[at] - old_logprobs[at]))
        plain = ratio * advantages[at]
        clipped = min(max(ratio, 1 - clip_range), 1 + clip_range) * advantages[at]
        loss -= min(plain, clipped)
        clipped_tokens += clipped < plain
    return float(loss), clipped_tokens


def value_loss(
    values: Floats, old_values: Floats, returns: Floats, mask: Mask, clip_range: float
) -> tuple[float, float]:
    """Half the worse of two squared errors, summed over tokens; at how many tokens the clipped one is worse.

    The clipped error is that of V held within eps of the rollout's V (N+ on value clipping, as in the code
    that Ziegler and Stiennon published; PPO itself, eq. (9), has the plain squared error).
    """
    loss, clipped_tokens = 0.0, 0.0
    for at in real_tokens(mask):
        held = min(max(values[at], old_values[at] - clip_range), old_values[at] + clip_range)
        plain, clipped = (values[at] - returns[at]) ** 2, (held - returns[at]) ** 2
        loss += 0.5 * max(plain, clipped)
        clipped_tokens += clipped > plain
    return float(loss), clipped_tokens


def kl(logprobs: Floats, reference_logprobs: Floats, mask: Mask) -> list[float]:
    """Each row's estimate of KL(pi || rho): its tokens' summed log-ratio, as penalised in Ziegler eq. (2)."""
    summed = [0.0] * mask.shape[0]
    for row, position in real_tokens(mask):
        summed[row] += logprobs[row, position] - reference_logprobs[row, position]
    return summed


def approx_kl(logprobs: Floats, old_logprobs: Floats, mask: Mask) -> float:
    """Half the squared log-ratio, summed over tokens: how far an update moved the policy (N+)."""
    return float(sum(0.5 * (logprobs[at] - old_logprobs[at]) ** 2 for at in real_tokens(mask)))


def next_kl_coef(coef: float, kl: float, target: float, rows: int, horizon: int) -> float:
    """Ziegler section 2.2, beta <- beta (1 + K e), e = clip((KL - target) / target, -0.2, 0.2).

    The paper's K is a constant for one batch size; in the code published with it K is rows / horizon.
    """
    error = min(max((kl - target) / target, -0.2), 0.2)
    return coef * (1 + error * rows / horizon)


def explained_variance(values: Floats, returns: Floats, mask: Mask) -> float:
    """1 - Var(R - V) / Var(R) over the real tokens: 1 for a perfect value function, 0 for a constant."""
    target = np.array([returns[at] for at in real_tokens(mask)])
    missed = np.array([returns[at] - values[at] for at in real_tokens(mask)])
    return float(1 - missed.var() / target.var())
