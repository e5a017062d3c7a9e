"""Asks a person while the event loop runs: Ctrl-C at a question is a no, and raised afterwards."""

from __future__ import annotations

from bm_sync.cli.answer import Io
from bm_sync.cli.loop import interruptible


class Asker:
    """Asks questions with yes or no; after Ctrl-C at one of them it asks no more."""

    def __init__(self, io: Io) -> None:
        self._io = io
        self._interrupted = False

    def agreed(self, question: str, shown: str = "") -> bool:
        """Show what the question is about, ask it, return the answer."""
        if self._interrupted:
            return False
        self._io.say(shown)
        try:
            with interruptible():
                return self._io.ask(question)
        except KeyboardInterrupt:
            self._io.say("\n")
            self._interrupted = True
            return False

    def raise_if_interrupted(self) -> None:
        """Raise `KeyboardInterrupt` when a question was answered by Ctrl-C."""
        if self._interrupted:
            raise KeyboardInterrupt
