"""The network, reading heads off a crowd map, training, metrics and weights."""
