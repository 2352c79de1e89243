"""Tells in plain words, English or Russian, why a call went as it did: a sentence for each journal entry."""

from orchestrator.explain.names import Names
from orchestrator.explain.trace import LANGUAGES, Sentence, say, trace

__all__ = ["LANGUAGES", "Names", "Sentence", "say", "trace"]
