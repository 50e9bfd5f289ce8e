"""The tables of the document half of a file.

A document's number tells its time, from span to span of 512 seconds. So the full-text index, which
walks its lists by number, walks them by time, and only neighbors remain to be put in order: see
`_sqlite_numbers`. ``body`` is what `_sqlite_bodies` makes of value and key and all the rest, and
``size`` the length of the value; ``marks`` change more often and stand alone.
"""

from __future__ import annotations

__all__ = ["BLOB_WORDS", "DOCUMENT_TABLES", "DOCUMENT_TOKENS"]

DOCUMENT_TOKENS = "document_tokens"
BLOB_WORDS = "blob_words"

# "ascii": what is beyond ASCII belongs to a token, whatever this SQLite knows of Unicode.
_INDEX = "fts5(tokens, content = '', detail = none, columnsize = 0, tokenize = 'ascii')"

DOCUMENT_TABLES = (
    """
    CREATE TABLE scopes (
        id INTEGER PRIMARY KEY, namespace BLOB NOT NULL, kind BLOB NOT NULL,
        UNIQUE (namespace, kind)
    )
    """,
    """
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY, scope INTEGER NOT NULL, digest INTEGER NOT NULL, at REAL NOT NULL,
        size INTEGER NOT NULL, body BLOB NOT NULL, marks BLOB
    )
    """,
    # Of the key: a third of the size of an index of keys.
    "CREATE INDEX document_digests ON documents (digest)",
    """
    CREATE TABLE spans (
        span INTEGER PRIMARY KEY, used INTEGER NOT NULL, newest REAL NOT NULL, late REAL NOT NULL
    )
    """,
    f"CREATE VIRTUAL TABLE {DOCUMENT_TOKENS} USING {_INDEX}",
    # How often a blob is named changes with every document; its body must not be written for that.
    """
    CREATE TABLE blobs (
        id INTEGER PRIMARY KEY, scope INTEGER NOT NULL, key BLOB NOT NULL, named INTEGER NOT NULL,
        UNIQUE (scope, key)
    )
    """,
    """
    CREATE TABLE blob_bodies (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, body BLOB NOT NULL)
    """,
    f"CREATE VIRTUAL TABLE {BLOB_WORDS} USING {_INDEX}",
)
"""Statements that lead a file from version 1 to 2."""
