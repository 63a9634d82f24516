"""PCME++ against the reference values, and its terms against loops."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from gaussians import encoded, generator, own, some
from reference import Reference

from models.gaussian import Gaussian
from training.objective_config import ClosedFormConfig
from training.objectives.closed_form import ClosedFormObjective, with_pseudo_matches


@pytest.mark.shared
@pytest.mark.parametrize("name", ["csd", "csd_plain"])
def test_reference_losses(shared: Path, name: str) -> None:
    """With pseudo-positives and KL, and without, within 1e-5."""
    values = Reference(shared / "reference")
    setting = values.settings[f"pcmepp/{name}"]
    config = ClosedFormConfig(
        scale=float(setting["init_negative_scale"]),
        shift=float(setting["init_shift"]),
        pseudo_weight=setting.get("smoothness_alpha", 0.0),
        kl_weight=setting.get("vib_beta", 0.0),
    )
    sides = (
        encoded(Gaussian(values[f"match/{side}_mean"], 2 * values[f"match/{side}_logsigma"]))
        for side in ("image", "text")
    )
    total = ClosedFormObjective(config)(*sides, own(6), generator()).total
    torch.testing.assert_close(total, values[f"pcmepp/{name}/loss"].float().reshape(()), rtol=1e-5, atol=0)


def test_pseudo_matches_by_loops() -> None:
    """A row also matches what is at least as close as its closest match; ties count, and no match is lost."""
    logits = torch.tensor([[3.0, 5.0, 3.0, 1.0], [2.0, 0.0, 4.0, 9.0]])
    matches = torch.tensor([[1, 0, 0, 1], [0, 1, 1, 0]], dtype=torch.bool)
    expected = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]], dtype=torch.bool)
    assert with_pseudo_matches(logits, matches).equal(expected)


def test_the_head_agrees_with_the_learned_logit_where_it_is_zero() -> None:
    """At d = √(b/a) both are one half, and there they have the same slope."""
    objective = ClosedFormObjective(ClosedFormConfig(scale=4.0, shift=3.0))
    zero_at = (3 / 4) ** 0.5
    distance = torch.tensor(zero_at, dtype=torch.float64, requires_grad=True)
    logit = 3 - 4 * distance.square()
    (slope,) = torch.autograd.grad(logit, distance)
    assert objective.head.shift - objective.head.scale * zero_at == pytest.approx(0, abs=1e-6)
    assert -objective.head.scale == pytest.approx(float(slope))


def test_scale_and_shift_are_learned() -> None:
    """Both get gradients, and so do the variances."""
    objective, x = ClosedFormObjective(ClosedFormConfig()), some(4, 8, 1)
    objective(encoded(x), encoded(some(4, 8, 2)), own(4), generator()).total.backward()
    for parameter in (objective.scale, objective.shift, x.log_variance):
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0
