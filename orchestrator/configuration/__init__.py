"""One company as documents: read into words, checked, written back, compared. Pure.

A **document** is a mapping as YAML or JSON gives it. The whole company is one; so is each company, site, trunk,
person and number of it. What is wrong is told all at once, each thing with its path. Passwords become HA1
(RFC 7616 §3.4.2) on intake; they are neither kept nor shown.
"""
