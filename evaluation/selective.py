"""Does a score know which answers are wrong? AUROC of wrong answers, risk against coverage, figures in bins of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from evaluation.positives import Bools, Floats, Ints

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
    """Means in equal-count bins of a rising score, with the rank correlation and the slope over the bins.

    Args:
        score: mean score of each bin.
        values: mean figure of each bin.
        spearman: Spearman's ρ between them; nan where one does not vary.
        slope: of the figure over the score, by least squares; nan likewise.
    """

    score: tuple[float, ...]
    values: tuple[float, ...]
    spearman: float
    slope: float


@dataclass(frozen=True, eq=False)
class Tally:
    """How many answers there are at each distinct score, lowest first, in one or many resamples of the queries.

    Args:
        wrong: [resamples, scores], of these the wrong ones.
        all: [resamples, scores].
    """

    wrong: Floats
    all: Floats

    @classmethod
    def of(cls, score: Floats, wrong: Bools, weights: Floats | None = None) -> Tally:
        """Count.

        Args:
            score: [n].
            wrong: [n].
            weights: [resamples, n], how often each answer counts; once each when left out.
        """
        order = np.argsort(score, kind="stable")
        counts = np.ones((1, len(score))) if weights is None else weights[:, order]
        starts = np.flatnonzero(np.diff(score[order], prepend=np.nan) != 0)
        both = (np.add.reduceat(each, starts, axis=1) for each in (counts * wrong[order], counts))
        return cls(*both)

    @cached_property
    def aurocs(self) -> Floats:
        """[resamples]: area under the ROC curve of the score as a detector of wrong answers; ties count half.

        The probability of Mann and Whitney (1947); not a number where all are wrong, or none.
        """
        right = self.all - self.wrong
        below = np.cumsum(right, axis=1) - right / 2
        pairs = self.wrong.sum(axis=1) * right.sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray((self.wrong * below).sum(axis=1) / pairs)

    @cached_property
    def areas(self) -> Floats:
        """[resamples]: the mean, over all numbers k of kept answers, of the share of wrong ones.

        That is the area under risk against coverage (El-Yaniv and Wiener, 2010). Answers of equal score are kept or
        refused together on average: each counts with the share r of its group. With c answers before the group and s
        wrong ones among them, Σ_k (s + r (k − c)) / k over k = c + 1 … c + m is (s − r c) (H(c + m) − H(c)) + r m,
        H being the harmonic numbers.
        """
        after, wrong_after = np.cumsum(self.all, axis=1), np.cumsum(self.wrong, axis=1)
        before, wrong_before = after - self.all, wrong_after - self.wrong
        with np.errstate(invalid="ignore"):
            share = np.nan_to_num(self.wrong / self.all)
        totals = after[:, -1]
        harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(totals.max()) + 1))])
        steps = harmonic[after.astype(int)] - harmonic[before.astype(int)]
        sums = (wrong_before - share * before) * steps + self.wrong
        return np.asarray(sums.sum(axis=1) / totals)

    def risk_at(self, kept: Ints) -> Floats:
        """[kept]: the share of wrong answers among so many of the lowest scores, in the first resample."""
        after = np.concatenate([[0.0], np.cumsum(self.all[0])])
        wrong_after = np.concatenate([[0.0], np.cumsum(self.wrong[0])])
        return np.asarray(np.interp(kept, after, wrong_after) / kept)


def error_auroc(score: Floats, wrong: Bools) -> float:
    """Area under the ROC curve of `score` [n] as a detector of `wrong` [n]; see `Tally.aurocs`."""
    return float(Tally.of(score, wrong).aurocs[0])


def abstention(score: Floats, wrong: Bools) -> Abstention:
    """Refuse by a score [n], highest first, and see what share of the kept answers is wrong; see `Tally.areas`."""
    tally = Tally.of(score, wrong)
    kept = np.ceil(np.arange(1, BINS + 1) * len(score) / BINS).astype(int)
    return Abstention(float(tally.aurocs[0]), float(tally.areas[0]), tuple(tally.risk_at(kept).tolist()))


def in_bins(score: Floats, figure: Floats, bins: int = BINS) -> Bins:
    """Means of a figure [n] in equal-count bins of a score [n]; where the figure is nan it is left out."""
    there = ~np.isnan(figure)
    order = np.argsort(score[there], kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    across = np.array([score[there][part].mean() for part in parts])
    values = np.array([figure[there][part].mean() for part in parts])
    if len(parts) < 2 or np.ptp(across) == 0 or np.ptp(values) == 0:
        correlation = slope = float("nan")
    else:
        correlation = float(scipy.stats.spearmanr(across, values).statistic)
        slope = float(scipy.stats.linregress(across, values).slope)
    return Bins(tuple(across.tolist()), tuple(values.tolist()), correlation, slope)
