"""Captioned collections: readers, splits, and the Scenes generator."""
