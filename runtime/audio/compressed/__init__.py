"""Decodes compressed audio as it comes: Opus packets, and containers such as WebM and MP4."""
