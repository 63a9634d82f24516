"""What the collector of cyclic garbage looks through while requests are answered.

It holds up every thread. Libraries, routes and models are some 400,000 objects, none of which ever becomes garbage in a
cycle: each time that it went through all of them, every query waited for 0.2 to 0.3 s, and a quarter of a busy server's
time went there (docs/serving-performance.md).
"""

from __future__ import annotations

import gc
from typing import Final

NEW_OBJECTS: Final = 10_000
"""How many more objects than before there are when the young ones are looked through; CPython's own number is 700."""


def settle() -> None:
    """Leave all that there is now out of what is looked through; what nobody holds still goes at once."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
