"""The exchange's mind: words, decisions, flows and the devices that carry them out."""
