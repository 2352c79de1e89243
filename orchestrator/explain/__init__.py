"""Tells in plain words, English or Russian, why a call went as it did: a sentence for each journal entry."""

from orchestrator.explain.english import why_barred
from orchestrator.explain.names import Names, names_in
from orchestrator.explain.trace import LANGUAGES, Language, Sentence, say, trace

__all__ = ["LANGUAGES", "Language", "Names", "Sentence", "names_in", "say", "trace", "why_barred"]
