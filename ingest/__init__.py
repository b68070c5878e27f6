"""Opens and decodes video sources, keeps each camera's state, publishes frames."""
