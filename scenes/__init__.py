"""A procedural crowd renderer that knows its truth: every head in every frame."""
