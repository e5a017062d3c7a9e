"""Writes a first manifest from what Basic Memory or rclone has declared; reads, never writes."""
