"""The one room that knows Basic Memory Cloud: its HTTP calls, its sign-in, its files on disk.

The calls and the shapes of answers are those of the open client, basic-memory 0.16 to 0.24. Where
that does not tell what the service does, this room takes whatever makes sense.
"""
