"""Which items are worth a closer look: the nearest points, by faiss.

`kinds` has the kinds, each of which meets `contract`. `choice` picks one before any work starts; `tuning` picks the
space, how hard it looks and how many rows it gives; `loss` measures what it misses.

To add a kind: a class in `kinds` that meets `contract`, and its line of `KINDS` there. Run it through
`tests/index/test_shortlist_contract.py`, which takes it from `KINDS` and wants its line of `RECALL` and of `EFFORT`.
CONTRIBUTING.md has the rest: the help of `--kind`, what it costs, and whether `choice` takes it by itself.
"""
