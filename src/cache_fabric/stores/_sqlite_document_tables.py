"""The tables of the document half of a file.

A document's number says when it was: the minute of its time, then a number within that minute. So
the full-text index, which walks its lists by number, walks them by time, and only the documents of
one minute remain to be put in order. ``minutes`` says how far that must look (`_sqlite_numbers`).

``body`` is compressed: the value, and behind it what the document is found by, which mostly repeats
what the value says. The index keeps no text, so this is needed to take a document out of it.
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
        id INTEGER PRIMARY KEY, scope INTEGER NOT NULL, key BLOB NOT NULL, at REAL NOT NULL,
        size INTEGER NOT NULL, body BLOB NOT NULL, marks BLOB,
        UNIQUE (scope, key)
    )
    """,
    """
    CREATE TABLE minutes (
        minute INTEGER PRIMARY KEY, used INTEGER NOT NULL, newest REAL NOT NULL, late REAL NOT NULL
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
