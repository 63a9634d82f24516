"""Faults on purpose: processes killed, and writes refused, and whether all that was acknowledged is still there."""
