"""A procedural crowd renderer that knows its truth: every head in every frame."""

from scenes.training import training_picture

__all__ = ["training_picture"]
