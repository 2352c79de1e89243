"""Devices: what touches the world. Each implements a port, or is asked for by `app`."""
