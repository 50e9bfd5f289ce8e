"""One reader a format; each is a module with ``detects(source)`` and ``read(source)``."""
