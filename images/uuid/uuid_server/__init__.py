"""A small HTTP server that answers with the UUID of its instance."""

__version__ = "0.1.0"
