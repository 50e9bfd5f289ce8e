"""The demo: its users' questions as package data, and the stream they are asked in."""
