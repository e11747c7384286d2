"""Names that bots' files give themselves: none is taken for another bot's in the report.

An organiser may give any name. A stranger's own name consists of ASCII, whose look-alikes are few; in all of Unicode,
another alphabet's letters would make a second `informed` that no reader could distinguish from the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST = 40

# Letters, digits and marks that readers may take for one another, after case folding.
_SAME = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "!": "l", "5": "s", "`": "'"})
_PAIRS = (("rn", "m"), ("vv", "w"))
_STRANGER = " (stranger)"


def own_name(name: str) -> str:
    """Return the name that a stranger's class gives itself; empty if it is not one of printable ASCII characters."""
    name = name[:LONGEST].strip()
    return name if name.isascii() and name.isprintable() else ""


def look(name: str) -> str:
    """Return a form that is equal for names of ASCII which people may take for one another."""
    folded = name.casefold().translate(_SAME)
    for pair, one in _PAIRS:
        folded = folded.replace(pair, one)
    return re.sub(r"[\s_.,:;-]+", "", folded)


def distinct_names(names: Sequence[tuple[str, bool]]) -> list[str]:
    """Return names of which no stranger's looks like another bot's.

    A stranger that looks like a bot of the organiser's is marked; strangers that look alike get the first one's name,
    so that they are numbered.

    names  each with whether a stranger chose it
    """
    taken = {look(name) for name, is_strangers in names if not is_strangers}
    first: dict[str, str] = {}
    made = []
    for name, is_strangers in names:
        if is_strangers:
            if look(name) in taken:
                name = f"{name[: LONGEST - len(_STRANGER)]}{_STRANGER}"
            name = first.setdefault(look(name), name)
        made.append(name)
    return made
