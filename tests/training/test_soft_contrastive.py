"""The soft contrastive objective: the reference values, brute force, and what its terms are for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from gaussians import encoded, generator, own, some
from reference import Reference
from torch.distributions import Normal

from models.distances import kl_to_standard_normal
from models.gaussian import Gaussian
from models.match import pairwise_sample_distances
from training.objective_config import SoftContrastiveConfig
from training.objectives.soft_contrastive import SoftContrastiveObjective, soft_contrastive, spread, uniformity


@pytest.mark.shared
@pytest.mark.parametrize("name", ["plain", "coco", "cub"])
def test_reference_losses(shared: Path, name: str) -> None:
    """All parts within 1e-5 relative, on the reference's own samples and with its conventions.

    Its KL term takes the mean of the samples as the mean, and log σ as if it were log σ².
    """
    values = Reference(shared / "reference")
    setting = values.settings[f"match/{name}"]
    points, kl = [], torch.zeros(())
    for side in ("image", "text"):
        mean, log_sigma = values[f"match/{side}_mean"], values[f"match/{side}_logsigma"]
        samples = Gaussian(mean, 2 * log_sigma).sample(values[f"match/{side}_noise"])
        points.append(samples)
        kl = kl + kl_to_standard_normal(Gaussian(samples.mean(1), log_sigma)).sum()
    logits = 2 * (setting["init_shift"] - setting["init_negative_scale"] * pairwise_sample_distances(*points))
    match = soft_contrastive(logits, torch.eye(6, dtype=torch.bool))
    even = uniformity(torch.cat(points).flatten(0, 1))

    def expect(part: str) -> torch.Tensor:
        return values[f"match/{name}/{part}"].float()

    torch.testing.assert_close(match, expect("i2t_loss") + expect("t2i_loss"), rtol=1e-5, atol=0)
    if setting["uniform_lambda"]:
        torch.testing.assert_close(even, expect("uniform_loss"), rtol=1e-5, atol=0)
    if setting["vib_beta"]:
        torch.testing.assert_close(kl, expect("vib_loss"), rtol=1e-5, atol=0)
    total = match + setting["uniform_lambda"] * even + setting["vib_beta"] * kl
    torch.testing.assert_close(total, expect("loss"), rtol=1e-5, atol=0)


def test_soft_contrastive_by_loops() -> None:
    """Minus the log of the mean probability of what is so, summed over pairs, once a direction."""
    g = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(3, 4, 2, 5, generator=g, dtype=torch.float64)
    matches = torch.rand(3, 4, generator=g) < 0.4
    expected = 0.0
    for i in range(3):
        for j in range(4):
            p = float(torch.sigmoid(logits[i, j]).mean())
            expected -= 2 * float(torch.tensor(p if matches[i, j] else 1 - p, dtype=torch.float64).log())
    assert float(soft_contrastive(logits, matches)) == pytest.approx(expected, rel=1e-9)


def test_soft_contrastive_does_not_overflow() -> None:
    """Enormous logits give a large finite loss with a finite gradient."""
    logits = torch.tensor([1e4, -1e4]).reshape(1, 2, 1, 1).requires_grad_()
    loss = soft_contrastive(logits, torch.tensor([[False, True]]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_spread_is_the_log_density_and_leaves_the_means_alone() -> None:
    """−log N(Δ; 0, s + t) by torch.distributions; only variances get a gradient."""
    x, y = some(5, 8, 1), some(5, 8, 2)
    value = spread(x, y, own(5))
    density = Normal(torch.zeros(()), (x.variance + y.variance).sqrt()).log_prob(x.mean - y.mean)
    torch.testing.assert_close(value, -density.sum())
    value.backward()
    assert x.mean.grad is None
    assert x.log_variance.grad is not None


def test_spread_is_least_where_the_variance_is_the_squared_difference() -> None:
    """The optimum of s + t is Δ², so the variances learn how far matches lie and cannot collapse."""
    x = Gaussian(torch.zeros(1, 1), torch.zeros(1, 1).requires_grad_())
    y = Gaussian(torch.full((1, 1), 0.5), torch.full((1, 1), -60.0))
    optimiser = torch.optim.Adam([x.log_variance], lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        spread(x, y, own(1)).backward()
        optimiser.step()
    assert float(x.variance.detach()) == pytest.approx(0.25, rel=1e-2)


def test_weights_of_zero_are_pcme_without_the_terms() -> None:
    """The total is the weighted sum of the terms, and a term of weight zero is not computed."""
    x, y = encoded(some(4, 8, 1)), encoded(some(4, 8, 2))
    config = SoftContrastiveConfig(kl_weight=0.0)
    plain = SoftContrastiveObjective(config)(x, y, own(4), generator())
    assert plain.terms.keys() == {"match"}
    assert plain.total.equal(plain.terms["match"])
    config = SoftContrastiveConfig(kl_weight=0.1, uniformity_weight=2.0, spread_weight=0.3)
    parts = SoftContrastiveObjective(config)(x, y, own(4), generator())
    terms = parts.terms
    expected = terms["match"] + 0.1 * terms["kl"] + 2 * terms["uniformity"] + 0.3 * terms["spread"]
    torch.testing.assert_close(parts.total, expected)
    torch.testing.assert_close(terms["match"], plain.total)
    kl = sum(kl_to_standard_normal(g.gaussian).sum() for g in (x, y))
    torch.testing.assert_close(terms["kl"], kl)


def test_every_match_of_the_table_is_one() -> None:
    """The match term is that of the given table, and the spread term sums over its pairs, whatever matches."""
    config = SoftContrastiveConfig(kl_weight=0.0, spread_weight=1.0, samples=1)
    x, y = some(3, 8, 1), some(6, 8, 2)
    # Points, so that no noise is drawn.
    x, y = (Gaussian(g.mean.detach(), torch.full_like(g.mean, -60.0)) for g in (x, y))
    matches = torch.tensor([[1, 1, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0], [1, 0, 0, 0, 1, 1]], dtype=torch.bool)
    terms = SoftContrastiveObjective(config)(encoded(x), encoded(y), matches, generator()).terms
    logits = config.shift - config.scale * pairwise_sample_distances(x.mean[:, None], y.mean[:, None])
    torch.testing.assert_close(terms["match"], soft_contrastive(logits, matches))
    pairs = [(i, j) for i in range(3) for j in range(6) if matches[i, j]]
    density = [
        Normal(torch.zeros(()), (x[i].variance + y[j].variance).sqrt()).log_prob(x[i].mean - y[j].mean).sum()
        for i, j in pairs
    ]
    torch.testing.assert_close(terms["spread"], -torch.stack(density).sum())


def test_points_are_the_limit_of_narrow_gaussians() -> None:
    """PCME of means alone: one sample of a point gives the loss that any number of samples of it gives."""
    x, y = (Gaussian(some(4, 8, seed).mean, torch.full((4, 8), -40.0)) for seed in (1, 2))
    losses = [
        SoftContrastiveObjective(SoftContrastiveConfig(samples=j, kl_weight=0.0))(
            encoded(x), encoded(y), own(4), generator()
        ).total
        for j in (1, 7)
    ]
    torch.testing.assert_close(losses[0], losses[1])


def test_the_match_head_is_learned() -> None:
    """Scale and shift get gradients."""
    objective = SoftContrastiveObjective(SoftContrastiveConfig())
    objective(encoded(some(4, 8, 1)), encoded(some(4, 8, 2)), own(4), generator()).total.backward()
    assert objective.scale.grad is not None
    assert objective.shift.grad is not None
    assert float(objective.scale.grad) != 0
