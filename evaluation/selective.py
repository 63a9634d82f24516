"""Does a score know which answers are wrong? AUROC of wrong answers, risk against coverage, figures in bins of σ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import linregress, rankdata, spearmanr

from evaluation.positives import Bools, Floats

BINS = 10


@dataclass(frozen=True)
class Abstention:
    """How well refusing the queries of the highest score keeps wrong answers away.

    Args:
        auroc: probability that a wrong answer has a higher score than a right one; 0.5 is chance.
        area: under the curve of risk against coverage, the mean share of wrong answers over all coverages.
        risk: share of wrong answers among the tenth, two tenths, … of the queries with the lowest scores.
    """

    auroc: float
    area: float
    risk: tuple[float, ...]


@dataclass(frozen=True)
class Bins:
    """Means in equal-count bins of rising σ, with the rank correlation and the slope over the bins.

    Args:
        sigma: mean σ of each bin.
        values: mean figure of each bin.
        spearman: Spearman's ρ between them; nan where one does not vary.
        slope: of the figure over σ, by least squares; nan likewise.
    """

    sigma: tuple[float, ...]
    values: tuple[float, ...]
    spearman: float
    slope: float


def error_auroc(score: Floats, wrong: Bools) -> float:
    """Area under the ROC curve of `score` [n] as a detector of `wrong` [n] (Mann and Whitney, 1947); ties count half.

    Not a number where all are wrong, or none.
    """
    bad, good = int(wrong.sum()), int((~wrong).sum())
    if min(bad, good) == 0:
        return float("nan")
    return float((rankdata(score)[wrong].sum() - bad * (bad + 1) / 2) / (bad * good))


def abstention(score: Floats, wrong: Bools) -> Abstention:
    """Refuse by a score [n], highest first, and see what share of the kept answers is wrong (El-Yaniv, Wiener, 2010).

    Equal scores are kept or refused together on average: each counts with the mean of its group.
    """
    order = np.argsort(score, kind="stable")
    group = np.unique(score[order], return_inverse=True)[1]
    fair = (np.bincount(group, weights=wrong[order].astype(float)) / np.bincount(group))[group]
    risk = np.cumsum(fair) / np.arange(1, len(score) + 1)
    kept = np.ceil(np.arange(1, BINS + 1) * len(score) / BINS).astype(int)
    return Abstention(error_auroc(score, wrong), float(risk.mean()), tuple(risk[kept - 1].tolist()))


def in_bins(sigma: Floats, figure: Floats, bins: int = BINS) -> Bins:
    """Means of a figure [n] in equal-count bins of σ [n]; where the figure is nan it is left out."""
    there = ~np.isnan(figure)
    order = np.argsort(sigma[there], kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    across = np.array([sigma[there][part].mean() for part in parts])
    values = np.array([figure[there][part].mean() for part in parts])
    if len(parts) < 2 or np.ptp(across) == 0 or np.ptp(values) == 0:
        correlation = slope = float("nan")
    else:
        correlation = float(spearmanr(across, values).statistic)
        slope = float(linregress(across, values).slope)
    return Bins(tuple(across.tolist()), tuple(values.tolist()), correlation, slope)
