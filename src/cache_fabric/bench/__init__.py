"""Benchmarks: each measures us and our peers side by side in one run, and returns plain rows."""
