"""A stand-in of Basic Memory Cloud on loopback, for the example and for tests.

It speaks the HTTP interface that the open-source `bm` client uses: sign-in, workspaces, storage
keys, projects, snapshots and WebDAV, with a real S3 server (`rclone serve s3`) for the files. What
that client does not reveal of the service is a choice made here, marked "not known" where it is
made, and mostly switchable. It is no model of the service's safety: use it on loopback only.
"""
