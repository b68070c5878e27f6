"""Turns frames into readings: batches them, calls the model, publishes readings and pictures."""
