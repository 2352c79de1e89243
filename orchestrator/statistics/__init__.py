"""Figures and records as folds of the journal: feed every `Record` once, in order, ask at any time.

A fold that has seen the whole journal and one that was rebuilt from it later are equal.
"""
