"""Serve until a signal: ``python -m fake_openai --port 0`` prints the base URL, then nothing."""

from __future__ import annotations

import argparse
import signal

from fake_openai._server import serving


def main() -> None:
    options = argparse.ArgumentParser(prog="fake_openai", description=__doc__)
    options.add_argument("--port", type=int, default=0, help="0 for a free one")
    ending = {signal.SIGINT, signal.SIGTERM}
    # Blocked before any thread starts, so that every thread leaves them to this one.
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    with serving(options.parse_args().port) as upstream:
        print(upstream.url, flush=True)
        signal.sigwait(ending)


main()
