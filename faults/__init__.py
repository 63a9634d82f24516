"""Faults on purpose: processes killed and writes that fail, and whether a gallery then holds what was acknowledged."""
