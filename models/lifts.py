"""Gaussians as points of one more coordinate, so that plain L2 search also sees how uncertain an item is.

An item becomes (μ_x, h_x), a query (μ_q, 0), and ‖(μ_q, 0) − (μ_x, h_x)‖² = ‖Δ‖² + h_x². With h_x² a penalty of the
item up to a constant, the order of plain squared L2 is exactly that of ‖Δ‖² + penalty. Two penalties are worth having:

- tr Σ_x: then the order is that of E‖z − z'‖² = ‖Δ‖² + tr Σ_q + tr Σ_x, of which the query's part is a constant.
- one *like the match head*. Its logit is b + u(q) + v(x) − a_q·d with d² ≈ ‖Δ‖² + tr Σ_q + tr Σ_x, so items come in
  the order of d − v/a_q. Near a typical distance d₀ the square of that is d² − (2·d₀/a_q)·v up to second order, and
  the penalty is tr Σ_x − (2·d₀/a_q)·v(x), one exchange of logits for squared distances for all queries. Exact where v
  is constant, and better the closer to d₀ the answers lie and the less a_q differs between queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from models.gaussian import Gaussian
from models.match import MatchHead, VarianceTerm, term_from_dict


def expected_penalty(items: Gaussian) -> Tensor:
    """[*batch]: tr Σ, by which the expected squared distance (Chun, 2024, eq. 1) exceeds that of the means."""
    return items.total_variance


def head_penalty(items: Gaussian, head: MatchHead, exchange: float) -> Tensor:
    """[*batch]: tr Σ − exchange·v(item), by which a match head holds an item to be farther than its mean.

    Args:
        items: Gaussian [*batch, dim].
        head: of the direction in which these items answer; with `means_alone` the penalty is zero.
        exchange: what one of a logit is worth in squared distance, 2·d₀/a_q, for a query of typical scale a_q and a
            typical distance d₀ = √(‖Δ‖² + tr Σ_q + tr Σ_x) between a query and its answers.
    """
    if head.means_alone:
        return torch.zeros_like(items.total_variance)
    return items.total_variance - exchange * head.item.of(items)


@dataclass(frozen=True)
class Lift:
    """How the items of a shortlist were lifted, so that items that come later can be compared with them.

    The penalty is tr Σ − exchange·v(item); an item's height is √(penalty − least).

    Args:
        least: the least penalty of the items that were lifted together; one that comes later may have less.
        exchange: see `head_penalty`; zero where the penalty is tr Σ alone.
        item: v.
    """

    least: float
    exchange: float
    item: VarianceTerm

    def penalties(self, items: Gaussian) -> Tensor:
        """[*batch]: of Gaussians [*batch, dim]."""
        return items.total_variance - self.exchange * self.item.of(items)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From JSON."""
        return cls(values["least"], values["exchange"], term_from_dict(values["item"]))


def heights(penalties: Tensor) -> Tensor:
    """[n]: the coordinate of each item, √(penalty − the least penalty); penalties [n] of all items."""
    return (penalties - penalties.min()).sqrt() if len(penalties) else penalties


def lifted(means: Tensor, height: Tensor) -> Tensor:
    """[*batch, dim + 1]: points (mean, height) of means [*batch, dim] and heights [*batch] (zero for queries)."""
    return torch.cat([means, height.unsqueeze(-1)], -1)
