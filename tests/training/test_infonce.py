"""Symmetric InfoNCE against log-softmax by hand."""

from __future__ import annotations

import pytest
import torch
from gaussians import generator, own, points, some

from training.objective_config import InfoNCEConfig
from training.objectives.infonce import InfoNCEObjective, symmetric_cross_entropy


def test_one_match_a_query_is_the_cross_entropy_of_the_diagonal() -> None:
    """As in CLIP: the mean of both directions' cross-entropies with the targets 0 … n − 1."""
    logits = 3 * torch.randn(5, 5, generator=generator(), dtype=torch.float64)
    target = torch.arange(5)
    both = [torch.nn.functional.cross_entropy(table, target) for table in (logits, logits.T)]
    torch.testing.assert_close(symmetric_cross_entropy(logits, own(5)), sum(both) / 2)


def test_several_matches_share_the_target_by_loops() -> None:
    """−mean over a query's matches of log softmax, averaged over queries, then over directions."""
    logits = 3 * torch.randn(3, 6, generator=generator(), dtype=torch.float64)
    matches = torch.tensor([[1, 1, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0], [1, 0, 0, 0, 1, 1]], dtype=torch.bool)
    expected = 0.0
    for table, given in ((logits, matches), (logits.T, matches.T)):
        rows = [
            -sum(float(table[i].log_softmax(0)[j]) for j in given[i].nonzero().flatten()) / int(given[i].sum())
            for i in range(len(table))
        ]
        expected += sum(rows) / len(rows) / 2
    assert float(symmetric_cross_entropy(logits, matches)) == pytest.approx(expected, rel=1e-12)


def test_the_temperature_divides_cosines_and_is_learned() -> None:
    """It starts where the configuration says, gets a gradient, and never falls below a hundredth."""
    x, y = points(some(4, 8, 1).mean), points(some(4, 8, 2).mean)
    objective = InfoNCEObjective(InfoNCEConfig(temperature=0.2))
    loss = objective(x, y, own(4), generator())
    expected = symmetric_cross_entropy(x.gaussian.mean @ y.gaussian.mean.T / 0.2, own(4))
    torch.testing.assert_close(loss.total, expected)
    loss.total.backward()
    assert objective.log_inverse_temperature.grad is not None
    assert float(objective.log_inverse_temperature.grad) != 0
    cold = InfoNCEObjective(InfoNCEConfig(temperature=1e-4))(x, y, own(4), generator())
    assert float(cold.terms["temperature"].detach()) == pytest.approx(0.01)
