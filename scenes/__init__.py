"""A procedural crowd renderer that knows its truth: every head in every frame."""

from scenes.clip import write_clip
from scenes.scene import Scene, ground_of
from scenes.training import training_picture

__all__ = ["Scene", "ground_of", "training_picture", "write_clip"]
