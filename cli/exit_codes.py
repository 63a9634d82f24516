"""How commands end, for a shell."""

from __future__ import annotations

from typing import Final

UNWELL: Final = 1
"""What was checked is damaged, or fails."""
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130
EXIT_CODES: Final = (
    "Exit codes: 0, it is done; 1, `index verify` found damage, `doctor` something that fails, or this is a bug (with "
    "its traceback); 2, what was given cannot be used, and one sentence on stderr says why; 130, interrupted."
)
