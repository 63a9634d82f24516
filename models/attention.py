"""The local attention branch of PVSE and PCME: which positions of an input speak for the whole."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LocalAttention(nn.Module):
    """One head of additive self-attention (Lin et al., 2017): softmax(w₂ tanh(W₁ x)) over the positions.

    Args:
        features: width of each position.
        hidden: width of the hidden layer.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.w_1 = nn.Linear(features, hidden, bias=False)
        self.w_2 = nn.Linear(hidden, 1, bias=False)
        nn.init.xavier_uniform_(self.w_1.weight)
        nn.init.xavier_uniform_(self.w_2.weight)

    def forward(self, local: Tensor, padding: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            local: [n, positions, features].
            padding: bool [n, positions], true where there is nothing to attend to.

        Returns:
            the attended feature [n, features] and the weights [n, positions], which sum to one.
        """
        logits = self.w_2(torch.tanh(self.w_1(local))).squeeze(-1)
        if padding is not None:
            logits = logits.masked_fill(padding, -torch.inf)
        weights = logits.softmax(-1)
        return (weights.unsqueeze(1) @ local).squeeze(1), weights


class MeanBranch(nn.Module):
    """mean = l2-normalised LayerNorm(g + sigmoid(linear(attended local features))) (PCME, section 3.2)."""

    def __init__(self, local: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.attention = LocalAttention(local, hidden)
        self.fc = nn.Linear(local, dim)
        self.layer_norm = nn.LayerNorm(dim)
        _initialise(self.fc)

    def forward(self, whole: Tensor, local: Tensor, padding: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Means [n, dim] of norm one, and attention weights [n, positions].

        Args:
            whole: [n, dim], the feature of the whole input.
            local: [n, positions, local].
            padding: bool [n, positions].
        """
        attended, weights = self.attention(local, padding)
        mean = self.layer_norm(whole + torch.sigmoid(self.fc(attended)))
        return nn.functional.normalize(mean, dim=-1), weights


class VarianceBranch(nn.Module):
    """log σ = linear(attended local features) + w, with w a feature of the whole input (PCME, section 3.2)."""

    def __init__(self, local: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.attention = LocalAttention(local, hidden)
        self.fc = nn.Linear(local, dim)
        _initialise(self.fc)

    def forward(self, whole: Tensor, local: Tensor, padding: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Log-variances [n, dim], and attention weights [n, positions]; arguments as for `MeanBranch`.

        The published head gives log σ, as its sampler uses it; the logarithm of the variance is twice that.
        """
        attended, weights = self.attention(local, padding)
        return 2 * (self.fc(attended) + whole), weights


def _initialise(linear: nn.Linear) -> None:
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
