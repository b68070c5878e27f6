"""`headcount bench chaos`: a running site, broken in every way; what must hold (docs/chaos.md)."""
