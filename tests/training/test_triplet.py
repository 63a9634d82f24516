"""Hinges on cosines against the reference values of PVSE and against loops."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from gaussians import generator, own, points
from reference import Reference
from scipy.spatial.distance import cdist
from torch import Tensor

from training.objective_config import TripletConfig
from training.objectives.triplet import TripletObjective, closest_cosine, diversity, hinge, mean_discrepancy


def unit(*shape: int, seed: int) -> Tensor:
    """Points of norm one, with a gradient."""
    made = torch.randn(*shape, generator=generator(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(made, dim=-1).requires_grad_()


@pytest.mark.shared
@pytest.mark.parametrize("name", ["k2", "k2_sum", "k1_hard"])
def test_reference_losses(shared: Path, name: str) -> None:
    """Total and terms within 1e-5, for one point and two, for the hardest violation and for all."""
    values = Reference(shared / "reference")
    setting = values.settings[f"pvse/{name}"]
    several = setting["num_embeds"] > 1
    config = TripletConfig(
        margin=setting["margin"],
        hardest=setting["max_violation"],
        diversity_weight=float(setting.get("div_weight", 0)) if several else 0.0,
        mmd_weight=float(setting.get("mmd_weight", 0)) if several else 0.0,
    )
    sides = [
        points(values[f"pvse/{side}"] if several else values[f"pvse/{side}"][:, 0], values[f"pvse/{side}_residual"])
        for side in ("image", "text")
    ]
    parts = TripletObjective(config)(*sides, own(6), generator())
    ours = {"loss": parts.total, **{f"{key}_loss": value for key, value in parts.terms.items()}}
    for key, theirs in {"loss": "loss", "ranking_loss": "ranking_loss", "diversity_loss": "div_loss"}.items():
        if key in ours:
            torch.testing.assert_close(ours[key], values[f"pvse/{name}/{theirs}"].float(), rtol=1e-5, atol=0)
    if config.mmd_weight:
        expected = values[f"pvse/{name}/mmd_loss"].float()
        torch.testing.assert_close(parts.terms["mmd"], expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("hardest", [False, True])
def test_hinge_by_loops(hardest: bool) -> None:
    """Every match against every mismatch of the same query, in both directions, with several matches a query."""
    cosines = 2 * torch.rand(3, 4, generator=generator(), dtype=torch.float64) - 1
    matches = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 1]], dtype=torch.bool)
    expected = 0.0
    for table, given in ((cosines, matches), (cosines.T, matches.T)):
        violations = []
        for row in range(len(table)):
            for match in given[row].nonzero().flatten():
                violations.append(
                    [
                        0.0 if given[row, other] else max(0.0, 0.3 + float(table[row, other] - table[row, match]))
                        for other in range(table.shape[1])
                    ]
                )
        rows = torch.tensor(violations, dtype=torch.float64)
        expected += float(rows.amax(1).mean() if hardest else rows.mean())
    assert float(hinge(cosines, matches, 0.3, hardest)) == pytest.approx(expected, rel=1e-12)


def test_closest_cosine_by_loops() -> None:
    """The greatest cosine of any two points of an image and a text."""
    x, y = unit(3, 2, 5, seed=1).detach(), unit(4, 2, 5, seed=2).detach()
    expected = [[max(float(p @ q) for p in x[i] for q in y[j]) for j in range(4)] for i in range(3)]
    torch.testing.assert_close(closest_cosine(x, y), torch.tensor(expected, dtype=torch.float64))


def test_diversity_is_zero_for_orthogonal_points_and_grows_with_cosines() -> None:
    """Two equal residuals give ‖G − I‖ / 4 = √2 / 4; one point gives nothing."""
    apart = torch.eye(4, dtype=torch.float64).reshape(2, 2, 4)
    assert float(diversity(apart)) == 0
    assert float(diversity(3 * apart[:, :1].expand(2, 2, 4))) == pytest.approx(2**0.5 / 4)
    assert float(diversity(apart[:, :1])) == 0


def test_mean_discrepancy_by_scipy() -> None:
    """The published kernel on distances that are not squared; zero for the same set, with a finite gradient."""
    x, y = unit(5, 6, seed=1), unit(7, 6, seed=2)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-0.5 * torch.from_numpy(cdist(a.detach(), b.detach())))

    expected = kernel(x, x).mean() - 2 * kernel(x, y).mean() + kernel(y, y).mean()
    value = mean_discrepancy(x, y)
    torch.testing.assert_close(value.detach(), expected)
    assert float(mean_discrepancy(x, x).detach()) == pytest.approx(0, abs=1e-15)
    value.backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
