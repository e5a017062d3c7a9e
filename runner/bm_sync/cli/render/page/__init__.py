"""The page that `bm-sync report --html` writes: one file that loads nothing and runs nothing."""
