"""The command line and the supervisor: composes all rooms into one program."""

__version__ = "0.1.0"
