"""Campaigns: texts that are sent once to chosen lists and segments (CAM-2)."""
