"""The only room that knows rclone: it finds the program, runs it, and speaks to it.

It decides nothing about what is synced.
"""
