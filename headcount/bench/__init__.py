"""`headcount bench`: how fast the model, the whole chain and the history are, side by side."""
