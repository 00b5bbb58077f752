"""Finds the utterances in the audio of many sessions."""
