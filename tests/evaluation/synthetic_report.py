"""A report with every section, from made-up figures."""

from __future__ import annotations

import copy
from typing import Any

DIRECTIONS = ("text-to-image", "image-to-text")
PIXEL = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQ=="


def _abstention(auroc: float) -> dict[str, Any]:
    return {"auroc": auroc, "area": 0.2, "risk": [0.05 * place for place in range(1, 11)]}


def _direction() -> dict[str, Any]:
    rising, falling = [0.01 * place for place in range(1, 11)], [1 - 0.09 * place for place in range(1, 11)]
    bins = {"score": rising, "values": falling, "spearman": -0.95, "slope": -9.0}
    scores = {"sigma": 0.7, "probability": 0.66, "margin": 0.65}
    scores |= {"mean_only_probability": 0.6, "mean_only_margin": 0.61}
    return {
        "abstention": {name: _abstention(auroc) for name, auroc in scores.items()},
        "recall_1": bins,
        "r_precision": bins,
    }


def _judged(log_loss: float, ece: float, gap: float) -> dict[str, Any]:
    said = [0.1, 0.4, 0.8]
    bins = {"probability": said, "frequency": [p - gap for p in said], "count": [400, 400, 200]}
    return {"log_loss": log_loss, "brier": 0.05, "ece": ece, "diagram": bins}


def _series(side: str, what: str) -> dict[str, Any]:
    numbers = {"levels": [0.0, 0.2, 0.4], "mean_sigma": [0.1, 0.2, 0.3], "deviation": [0.01, 0.02, 0.02]}
    return {"side": side, "what": what, **numbers, "spearman": 0.9, "share_rising": 0.8, "mean_only": {"spearman": 0.5}}


def _figures() -> dict[str, Any]:
    quality = {"recall_1": 0.25, "recall_5": 0.5, "recall_10": 0.75, "median_rank": 5.0}
    quality |= {"r_precision": 0.4, "map_at_r": 0.3, "queries": 1200}
    reliability = {
        "pairs": 1000,
        "matches": 100,
        "raw": _judged(0.4, 0.1, 0.2),
        "calibrated": _judged(0.1, 0.008, 0.03),
        "calibrated_mean_only": _judged(0.2, 0.05, 0.1),
    }
    salad = {"auroc": {"sigma": 0.81, "mean_only_probability": 0.92}, "alarms": 0.345, "queries": 500}
    state = {"mean_trace": 0.3, "trace_deviation": 0.1, "squared_distance": 1.6, "log_sigma_deviation": 0.2}
    return {
        "ranking": dict.fromkeys(DIRECTIONS, quality),
        "rsum": 300.0,
        "further": {"same words count": dict.fromkeys(DIRECTIONS, quality)},
        "pmrp": dict.fromkeys(DIRECTIONS, 0.5),
        "reliability": {"relevance": "truth", **dict.fromkeys(DIRECTIONS, reliability)},
        "confidence": {direction: _direction() for direction in DIRECTIONS},
        "variances": {side: {**state, "verdict": f"alive {side}", "collapsed": False} for side in ("images", "texts")},
        "ambiguity": {side: {"spearman": 0.9, "items": 100} for side in ("images", "texts")},
        "recall_1_exact": 0.9,
        "sensitivity": [_series("images", "erased"), _series("texts", "dropped")],
        "outliers": {DIRECTIONS[0]: {"kinds": {"word salad": salad}, "false_alarms": 0.012}},
    }


def _side(side: str) -> dict[str, Any]:
    item: dict[str, Any] = {"id": f"{side}-1", "sigma": 0.02}
    item |= {"captions": ["a star"], "thumbnail": PIXEL} if side == "images" else {"text": "something round"}
    numbers = ("number", "low", "median", "high")
    return {
        "histogram": {"edges": [0.01, 0.02, 0.04], "count": [3, 5]},
        "matches": {name: [1.0 + place, 20.0 + place] for place, name in enumerate(numbers)},
        "most_certain": [item],
        "least_certain": [item],
    }


def report(**model: Any) -> dict[str, Any]:
    """The JSON of a report; `model` replaces what it says of the model."""
    config = {"name": "pcme", "objective": {"kl_weight": 1e-4}, "seed": 0}
    judged = {"name": "stars", "path": "artifacts/stars", "fingerprint": "f0", "config": config, "training_data": "d0"}
    made = {
        "date": "2026-11-24T12:00:00+00:00",
        "model": {**judged, **model},
        "data": {"path": "stars-test", "split": "test", "fingerprint": "da7a", "images": 200, "captions": 1200},
        "options": {"relevance": None},
        "versions": {"penumbra": "0.1.0"},
    }
    items = {side: _side(side) for side in ("images", "texts")}
    whole = {"kind": "penumbra evaluation", "schema": 1, "produced": made, "figures": _figures(), "items": items}
    return copy.deepcopy(whole)
