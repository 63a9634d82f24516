"""Scenes: rendered pictures with captions whose true matches are known."""
