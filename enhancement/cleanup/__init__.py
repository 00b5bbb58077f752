"""Has a language model clean the text of a transcript, and keeps nothing that changes what was said."""
