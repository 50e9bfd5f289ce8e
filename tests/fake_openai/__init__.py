"""An imitation of OpenAI's HTTP API on loopback, for hosts that call a model over the wire.

It thinks by rule: the same request gets the same words, another one gets others. What the rules
are is told in ``_mind``; what can be made to fail, and how calls are held, in ``_control``.

In a test ``with serving() as upstream``; for another process ``python -m fake_openai --port 0``,
which prints its address and is steered at ``/_control``.
"""

from __future__ import annotations

from fake_openai._control import Call, Control
from fake_openai._server import Upstream, serving

__all__ = ["Call", "Control", "Upstream", "serving"]
