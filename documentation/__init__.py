"""Writes what the documentation says of the program from the program: `python -m documentation`.

Pages of docs/reference and the figures of docs/figures; the rest of docs/ is written by hand.
"""
