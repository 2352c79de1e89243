"""A second world behind the same ports: virtual phones and callers on trio's clock, a journal in memory.

Stories, searches for faults and trials of a plan run here in virtual time, on the very flows that serve real calls.
"""
