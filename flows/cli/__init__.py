"""The command `dogovor`. Commands import what they need when they run, so that help is quick."""

from flows.cli.app import main

__all__ = ["main"]
