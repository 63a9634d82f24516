"""Fitting a model: objectives, batches, and a loop that resumes."""
