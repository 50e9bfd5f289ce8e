"""The guard: whether two questions that lie close together may share an answer.

An embedding puts "enable" next to "disable", 3 next to 5 and "from A to B" next to "from B to A".
The guard reads both texts and says what tells them apart, in two strengths: `Verdict.allowed` is
strict (the content words are the same, in the same roles, and no check objects), so that it is
wrong on almost nothing and refuses many paraphrases; `Verdict.contradicts` names what makes
another answer near certain even between loose paraphrases, and leaves the rest to a matcher, which
gets `Verdict.substituted` and `Verdict.evidence` to judge by.

Pure, and linear in the length of the texts.
"""

from __future__ import annotations

from cache_fabric.guard.comparison import compare
from cache_fabric.guard.verdict import Evidence, Kind, Objection, Verdict

__all__ = ["Evidence", "Kind", "Objection", "Verdict", "compare"]
