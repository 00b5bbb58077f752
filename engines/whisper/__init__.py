"""Runs Whisper on CTranslate2: utterances in, text with words and confidence out."""
