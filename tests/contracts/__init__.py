"""One suite for both worlds, and the native engine against itself: in real time, so few."""
