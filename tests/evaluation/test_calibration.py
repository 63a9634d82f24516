"""The choice among candidates, on collections made so that each of them should win."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import default_rng

from corpus.manifest import Entry
from evaluation import calibration as calibration_module
from evaluation.calibration import CANDIDATES, MEAN_ONLY, calibrate
from evaluation.positives import Positives
from evaluation.protocols import Embedded
from evaluation.relevance import Relevance
from evaluation.reliability import Diagram, Reliability, diagram
from models.calibration import Calibration, Direction
from models.errors import ConfigError
from models.gaussian import Gaussian
from models.match import LogVarianceTerm, MatchHead, TraceTerm, closed_form
from models.probability_map import IsotonicMap, PlattMap

RAW = MatchHead(9.0, 8.0)
READ = LogVarianceTerm((3.0, -3.0, 2.0, -2.0), 0.0, 0.2, -9.0, 9.0)
STEPS = IsotonicMap((0.0, 0.3, 0.301, 1.0), (0.02, 0.02, 0.8, 0.8))
TRUTHS = {
    "traces": MatchHead(9.0, 6.0, TraceTerm(-4.0), TraceTerm(6.0)),
    "log_variances": MatchHead(9.0, 6.0, READ, READ),
    "raw_platt": replace(RAW, map=PlattMap(0.5, -1.0)),
    "raw_isotonic": replace(RAW, map=STEPS),
    "mean_platt": MatchHead(7.0, 6.0, means_alone=True),
    "mean_isotonic": MatchHead(7.0, 6.0, map=STEPS, means_alone=True),
}


def gaussians(n: int, seed: int) -> Gaussian:
    g = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(n, 4, generator=g), dim=-1)
    return Gaussian(mean, torch.randn(n, 4, generator=g) / 2 + torch.randn(n, 1, generator=g) / 2 - 3.2)


def collection(n: int = 160) -> Embedded:
    entries = [Entry(str(i), Path("x.png"), ("one", "two"), label=str(i % 6)) for i in range(n)]
    return Embedded(entries, gaussians(n, 0), gaussians(2 * n, 1))


@pytest.mark.parametrize("name", TRUTHS)
def test_the_truth_wins(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where matches are drawn by one of the candidates, it or one that says the same has the least log-loss."""
    embedded, head = collection(), TRUTHS[name]

    def drawn(entries: list[Entry], kind: Relevance) -> Positives:
        places = [int(entry.id) for entry in entries]
        texts = torch.tensor([2 * p + k for p in places for k in (0, 1)])
        probability = closed_form(embedded.texts[texts], embedded.images[torch.tensor(places)], head)
        return Positives.of_mask(default_rng(len(places)).random(probability.shape) < probability.numpy())

    monkeypatch.setattr(calibration_module, "relevant", drawn)
    told: list[tuple[int, int]] = []
    found = calibrate(embedded, RAW, Relevance.INSTANCE, progress=lambda done, total: told.append((done, total)))
    figures = found.figures["text-to-image"]
    losses = {key: row["log_loss"] for key, row in figures["candidates"].items()}
    assert set(losses) == set(CANDIDATES) == set(found.candidates[Direction.TEXT_TO_IMAGE])
    assert losses[figures["chosen"]] == min(losses.values())
    assert losses[name] <= min(losses.values()) + 2e-4
    assert figures["calibrated"]["ece"] < 0.02
    assert figures["chosen_mean_only"] in MEAN_ONLY
    assert found.heads[Direction.TEXT_TO_IMAGE] == found.candidates[Direction.TEXT_TO_IMAGE][figures["chosen"]]
    assert told == [(done, 6) for done in range(1, 7)]
    assert Calibration.from_dict(found.to_dict()) == found


def test_classes_stay_whole() -> None:
    """Where classes match no class is in both halves, so that no head is judged on a class it was fitted on."""
    halves = calibration_module._halves(collection(), Relevance.LABEL, 0)
    first, second = ({entry.label for entry in half.entries} for half in halves)
    assert first.isdisjoint(second)
    assert len(first | second) == 6
    for half in halves:
        assert len(half.texts) == 2 * len(half.images) == 2 * len(half.entries)


def test_a_half_keeps_its_own_embeddings() -> None:
    """Entry, image and captions of a half are those of the whole."""
    whole = collection(12)
    for half in calibration_module._halves(whole, Relevance.INSTANCE, 0):
        for place, entry in enumerate(half.entries):
            row = int(entry.id)
            assert torch.equal(half.images.mean[place], whole.images.mean[row])
            assert torch.equal(half.texts.mean[2 * place : 2 * place + 2], whole.texts.mean[2 * row : 2 * row + 2])


def test_too_few_images_are_refused() -> None:
    """With three images there are no two folds."""
    with pytest.raises(ConfigError, match="at least 4 images"):
        calibrate(collection(3), RAW)


def test_several_points_an_item_are_refused() -> None:
    """They have no match probability."""
    made = collection(12)
    several = Gaussian(made.images.mean[:, None].repeat(1, 2, 1), made.images.log_variance[:, None].repeat(1, 2, 1))
    with pytest.raises(ConfigError, match="several points"):
        calibrate(Embedded(made.entries, several, made.texts), RAW)


def test_of_equal_candidates_the_simplest_is_chosen() -> None:
    """A head that sees variances has to be better than one that does not, by more than rounding."""
    judged = {
        name: Reliability(0.5 - 1e-8 * place, 0.1, 0.1, Diagram((), (), ()), None)
        for place, name in enumerate(CANDIDATES)
    }
    assert calibration_module.best(judged) == "mean_platt"
    judged["traces"] = replace(judged["traces"], log_loss=0.49)
    assert calibration_module.best(judged) == "traces"


def test_told_another_share_a_probability_is_right_there() -> None:
    """Of pairs drawn by a head, mismatches are thinned out: told the new share it is right, and back again too."""
    queries, items = gaussians(300, 3), gaussians(400, 4)
    probability = closed_form(queries, items, RAW)
    rng = default_rng(0)
    match = torch.from_numpy(rng.random(probability.shape) < probability.numpy())
    kept = match | torch.from_numpy(rng.random(probability.shape) < 0.2)
    share = float(match.float().mean())
    heads = dict.fromkeys(Direction, RAW)
    fitted = Calibration(heads, heads, {str(direction): {"share": share} for direction in Direction}, {})
    there = fitted.for_share(float(match[kept].float().mean()))

    def ece(found: Calibration) -> float:
        told = closed_form(queries, items, found.heads[Direction.TEXT_TO_IMAGE])[kept]
        return diagram(told.double(), match[kept].double()).ece

    assert ece(there) < 0.01 < 0.1 < ece(fitted)
    assert Calibration.from_dict(there.to_dict()) == there
    back = there.for_share(share)
    torch.testing.assert_close(closed_form(queries, items, back.heads[Direction.IMAGE_TO_TEXT]), probability)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 1.5])
def test_what_is_no_share_is_refused(share: float) -> None:
    """Nor is one believed of a calibration that does not say on what it was fitted."""
    heads = dict.fromkeys(Direction, RAW)
    with pytest.raises(ValueError, match="share"):
        Calibration(heads, heads, {"share": 0.5}).for_share(share)
    with pytest.raises(ValueError, match="does not say"):
        Calibration(heads, heads, {}).for_share(0.5)


def test_what_was_seen_is_noted() -> None:
    """A calibration has the deciles of its queries' σ and of the greatest probability each has, by numpy."""
    embedded = collection()
    found = calibrate(embedded, RAW)
    for direction, (asking, items) in {
        Direction.TEXT_TO_IMAGE: (embedded.texts, embedded.images),
        Direction.IMAGE_TO_TEXT: (embedded.images, embedded.texts),
    }.items():
        seen, nine = found.figures[str(direction)]["seen"], torch.arange(1, 10) / 10
        assert seen["sigma"] == pytest.approx(np.quantile(asking.sigma.numpy(), nine), rel=1e-5)
        near = torch.cdist(asking.mean, items.mean).topk(min(200, len(items)), largest=False).indices
        table = closed_form(asking, items, found.heads[direction]).gather(1, near)
        assert seen["top_probability"] == pytest.approx(np.quantile(table.amax(1).numpy(), nine), abs=1e-5)
