"""Runs Whisper on CTranslate2: transcribes utterances, with words and confidence."""
