"""Which paths belong to a project: git's ignore rules, one matcher for both sides.

Pure: texts and paths go in, verdicts come out. Nothing here reads a folder or a remote.
"""
