"""What a model is fitted to: one frozen value for each loss, told apart in a file by `loss = "…"`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class SoftContrastiveConfig:
    """Match probabilities of samples: PCME (Chun et al., 2021, section 3.3), HIB, and PCME of means alone.

    Args:
        samples: J, the samples of each Gaussian; points need one.
        scale: a, where the match head starts. The reference's logistic function doubles its argument: its a = 5 is 10
            here.
        shift: b, likewise.
        kl_weight: of the KL divergence from the standard normal, summed over items.
        uniformity_weight: of the uniformity term (Wang and Isola, 2020).
        spread_weight: λ of the spread term; 0 is PCME as published.
    """

    loss: str = field(default="soft_contrastive", init=False)
    samples: int = 7
    scale: float = 10.0
    shift: float = 10.0
    kl_weight: float = 1e-4
    uniformity_weight: float = 0.0
    spread_weight: float = 0.0


@dataclass(frozen=True)
class TripletConfig:
    """Hinges on cosines: VSE, VSE++ (Faghri et al., 2018) and PVSE (Song and Soleymani, 2019).

    Args:
        margin: by which a match has to be closer than what does not match.
        hardest: count the worst violation of each match alone (VSE++), instead of the mean of all (VSE).
        diversity_weight: of the term that drives the K points of an input apart; 0 with one point.
        mmd_weight: of the maximum mean discrepancy between the points of images and of texts.
    """

    loss: str = field(default="triplet", init=False)
    margin: float = 0.2
    hardest: bool = False
    diversity_weight: float = 0.0
    mmd_weight: float = 0.0


@dataclass(frozen=True)
class InfoNCEConfig:
    """Symmetric cross-entropy over a batch (van den Oord et al., 2018; CLIP, Radford et al., 2021).

    Args:
        temperature: where the learned one starts.
    """

    loss: str = field(default="infonce", init=False)
    temperature: float = 0.07


@dataclass(frozen=True)
class ClosedFormConfig:
    """Binary cross-entropy of closed-form expected squared distances: PCME++ (Chun, 2024, eq. 1–3).

    Args:
        scale: a, where the logit −a·d + b starts; here d is squared.
        shift: b.
        pseudo_weight: α of the term that takes what is closer to a query than its match for a match.
        kl_weight: of the KL divergence from the standard normal, a mean over items and dimensions.
    """

    loss: str = field(default="closed_form", init=False)
    scale: float = 5.0
    shift: float = 5.0
    pseudo_weight: float = 0.1
    kl_weight: float = 1e-4


ObjectiveConfig = SoftContrastiveConfig | TripletConfig | InfoNCEConfig | ClosedFormConfig
LOSSES: Final[Mapping[str, type[ObjectiveConfig]]] = {
    "soft_contrastive": SoftContrastiveConfig,
    "triplet": TripletConfig,
    "infonce": InfoNCEConfig,
    "closed_form": ClosedFormConfig,
}
