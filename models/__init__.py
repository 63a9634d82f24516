"""Probability and encoders: Gaussians, their distances, match probability, PCME's networks."""
