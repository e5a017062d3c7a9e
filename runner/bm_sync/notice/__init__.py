"""Tells people and services of a run: over HTTP, by `sendmail` and `notify-send`.

What is told to whom is decided by the engine. Nothing here fails a run.
"""
