"""Readings of host, process and GPU as immutable snapshots."""
