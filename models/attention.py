"""The local attention branch of PVSE and PCME: which positions of an input speak for the whole."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LocalAttention(nn.Module):
    """Additive self-attention (Lin et al., 2017): softmax(w₂ tanh(W₁ x)) over the positions, once for each head.

    Args:
        features: width of each position.
        hidden: width of the hidden layer.
        heads: how many weightings of the positions there are.
    """

    def __init__(self, features: int, hidden: int, heads: int = 1) -> None:
        super().__init__()
        self.w_1 = nn.Linear(features, hidden, bias=False)
        self.w_2 = nn.Linear(hidden, heads, bias=False)
        nn.init.xavier_uniform_(self.w_1.weight)
        nn.init.xavier_uniform_(self.w_2.weight)

    def forward(self, local: Tensor, padding: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            local: [n, positions, features].
            padding: bool [n, positions], true where there is nothing to attend to.

        Returns:
            the attended features [n, heads, features] and the weights [n, heads, positions], which sum to one.
        """
        logits = self.w_2(torch.tanh(self.w_1(local))).transpose(1, 2)
        if padding is not None:
            logits = logits.masked_fill(padding.unsqueeze(1), -torch.inf)
        weights = logits.softmax(-1)
        return weights @ local, weights


class MeanBranch(nn.Module):
    """mean = l2-normalised LayerNorm(g + sigmoid(linear(attended local features))).

    With one head the mean of PCME (Chun et al., 2021, section 3.2); with K heads the K points of PVSE (Song and
    Soleymani, 2019, eq. 1–3).
    """

    def __init__(self, local: int, dim: int, hidden: int, heads: int = 1) -> None:
        super().__init__()
        self.attention = LocalAttention(local, hidden, heads)
        self.fc = nn.Linear(local, dim)
        self.layer_norm = nn.LayerNorm(dim)
        _initialise(self.fc)

    def forward(self, whole: Tensor, local: Tensor, padding: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Means of norm one and residuals, both [n, heads, dim], and attention weights [n, heads, positions].

        Args:
            whole: [n, dim], the feature of the whole input.
            local: [n, positions, local].
            padding: bool [n, positions].
        """
        attended, weights = self.attention(local, padding)
        residual = torch.sigmoid(self.fc(attended))
        mean = self.layer_norm(whole.unsqueeze(1) + residual)
        return nn.functional.normalize(mean, dim=-1), residual, weights


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
        return 2 * (self.fc(attended)[:, 0] + whole), weights[:, 0]


class GlobalVariance(nn.Module):
    """log σ = linear(w), with w a feature of the whole input alone (HIB, Oh et al., 2019)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc = nn.Linear(dim, dim)
        _initialise(self.fc)

    def forward(self, whole: Tensor, local: Tensor, padding: Tensor | None = None) -> tuple[Tensor, None]:
        """Log-variances [n, dim]; arguments as for `MeanBranch`, and no attention."""
        return 2 * self.fc(whole), None


def _initialise(linear: nn.Linear) -> None:
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
