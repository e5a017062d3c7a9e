"""The manifest: read, checked, resolved and built into the values of `bm_sync.model.config`.

Every problem of a file is found in one run and told with its place. Nothing outside is contacted,
no secret is read.
"""

from bm_sync.manifest.diagnostic import ManifestError
from bm_sync.manifest.loader import Loaded, load

__all__ = ["Loaded", "ManifestError", "load"]
