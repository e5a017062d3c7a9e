"""One module for each command, imported only when it is chosen.

Each has `add(parser)`, which declares its arguments, and `run(args, io)`, which returns an
`Answer`.
"""
