"""fleetctl: launch several copies of a server on a bridge network, and see that it works."""

__version__ = "0.1.0"
