"""The losses that models are fitted to, each over the same encoders: a method is a configuration."""

from __future__ import annotations

from training.objective_config import ClosedFormConfig, InfoNCEConfig, ObjectiveConfig, TripletConfig
from training.objectives.closed_form import ClosedFormObjective
from training.objectives.infonce import InfoNCEObjective
from training.objectives.objective import LossParts, Objective
from training.objectives.soft_contrastive import SoftContrastiveObjective
from training.objectives.triplet import TripletObjective

__all__ = ["LossParts", "Objective", "objective_for"]


def objective_for(config: ObjectiveConfig) -> Objective:
    """The objective that a configuration describes, as it is before training."""
    if isinstance(config, TripletConfig):
        return TripletObjective(config)
    if isinstance(config, InfoNCEConfig):
        return InfoNCEObjective(config)
    if isinstance(config, ClosedFormConfig):
        return ClosedFormObjective(config)
    return SoftContrastiveObjective(config)
