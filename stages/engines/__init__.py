"""Speech recognition engines; each module imports its own library, and only `stages.asr` imports engines."""
