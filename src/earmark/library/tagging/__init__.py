"""Tagging a collection: what is known of its files → what is proposed → what is written."""
