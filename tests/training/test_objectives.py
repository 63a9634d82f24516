"""The objective against the reference values, brute force, and what its terms are for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from reference import Reference
from torch.distributions import Normal

from models.distances import kl_to_standard_normal
from models.gaussian import Gaussian
from models.match import pairwise_sample_distances
from training.config import ObjectiveConfig
from training.objectives import Objective, soft_contrastive, spread, uniformity


def some(n: int, dim: int, seed: int) -> Gaussian:
    """Gaussians around the unit sphere, with gradients."""
    g = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(n, dim, generator=g), dim=-1).requires_grad_()
    return Gaussian(mean, (torch.randn(n, dim, generator=g) - 4).requires_grad_())


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
    value = spread(x, y)
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
        spread(x, y).backward()
        optimiser.step()
    assert float(x.variance.detach()) == pytest.approx(0.25, rel=1e-2)


def test_weights_of_zero_are_pcme_without_the_terms() -> None:
    """The total is the weighted sum of the parts, and a term of weight zero is not computed."""
    x, y = some(4, 8, 1), some(4, 8, 2)
    plain = Objective(ObjectiveConfig(kl_weight=0, spread_weight=0))(x, y, torch.Generator().manual_seed(0))
    figures = plain.as_floats()
    assert figures["total"] == figures["match"]
    assert figures["kl"] == figures["spread"] == figures["uniformity"] == 0
    config = ObjectiveConfig(kl_weight=0.1, uniformity_weight=2.0, spread_weight=0.3)
    parts = Objective(config)(x, y, torch.Generator().manual_seed(0))
    expected = plain.match + 0.1 * parts.kl + 2 * parts.uniformity + 0.3 * parts.spread
    torch.testing.assert_close(parts.total, expected)


def test_all_captions_of_an_image_are_its_matches() -> None:
    """With k captions an image the loss is that of each block of captions, row i of a block matching image i."""
    config = ObjectiveConfig(kl_weight=0.0, spread_weight=1.0, samples=1)
    x, y = some(3, 8, 1), some(6, 8, 2)
    # Points, so that no noise is drawn that the blocks would have to share.
    x, y = (Gaussian(g.mean.detach(), torch.full_like(g.mean, -60.0)) for g in (x, y))
    whole = Objective(config)(x, y, torch.Generator().manual_seed(0))
    given = torch.tensor([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]], dtype=torch.bool)
    logits = config.shift - config.scale * pairwise_sample_distances(x.mean[:, None], y.mean[:, None])
    torch.testing.assert_close(whole.match, soft_contrastive(logits, given))
    blocks = [Objective(config)(x, y[start::2], torch.Generator().manual_seed(0)) for start in (0, 1)]
    for name in ("match", "spread"):
        torch.testing.assert_close(getattr(whole, name), sum(getattr(block, name) for block in blocks))


def test_the_match_head_is_learned() -> None:
    """Scale and shift get gradients."""
    objective = Objective(ObjectiveConfig())
    objective(some(4, 8, 1), some(4, 8, 2), torch.Generator().manual_seed(0)).total.backward()
    assert objective.scale.grad is not None
    assert objective.shift.grad is not None
    assert float(objective.scale.grad) != 0
