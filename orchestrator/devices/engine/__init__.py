"""The one door to the native core, and what stands behind it: the switch, and phones for tests and the demo."""
