"""Values to text, pure: nothing here prints, reads a clock or knows a terminal.

`live` is the exception: it draws with rich while a run goes on.
"""
