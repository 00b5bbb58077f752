"""Checks that each module says in one sentence what it does.

A program cannot tell a sentence from a heading. What it can tell: whether there is a full stop, whether the
first word may be a verb, and whether the sentence is the riddle "this in, that out".
"""

import ast
import re

import pytest

from tests.support.repository import PythonFile, python_files

# Plurals that a heading begins with, and that are not what a module does.
NOUNS = """
    Addresses Bytes Chunks Errors Events Figures Finals Levels Messages Models Options Parameters
    Recordings Results Rounds Sentences Sessions Settings Sounds Texts Timings Windows Words Workers
"""
RIDDLE = re.compile(r"(?<!goes )\b[Ii]n\b.*[,;:] .*\bout\b[.,;]", re.DOTALL)
# A command's module may begin with the command: `dalston-rt mic` records ...
COMMAND = re.compile(r"^`[^`]+`:? *")


def first_paragraph(file: PythonFile) -> str:
    """What a module's docstring begins with, in one line."""
    return " ".join((ast.get_docstring(file.tree) or "").partition("\n\n")[0].split())


def begins_with_a_verb(sentence: str) -> bool:
    """Whether the first word can be a verb of the third person: it ends with an s and is no known noun."""
    word = COMMAND.sub("", sentence).partition(" ")[0].strip(",.:;").capitalize()
    return word.endswith("s") and word not in NOUNS.split()


def judged() -> list[PythonFile]:
    """The files whose sentence must have a verb: what a test checks is said by its own name."""
    return [file for file in python_files() if not file.name.startswith("test_") and first_paragraph(file)]


def test_every_module_has_a_docstring_with_a_full_stop() -> None:
    files = [file for file in python_files() if file.name != "__init__.py" or not file.is_in("tests")]
    assert [file.path for file in files if not first_paragraph(file).endswith(".")] == []


def test_the_sentence_of_a_module_begins_with_a_verb() -> None:
    found = {file.path: first_paragraph(file) for file in judged()}
    assert {path: said for path, said in found.items() if not begins_with_a_verb(said)} == {}


def test_no_module_is_a_riddle() -> None:
    found = {file.path: first_paragraph(file) for file in judged()}
    assert {path: said for path, said in found.items() if RIDDLE.search(said)} == {}


@pytest.mark.parametrize(
    ("sentence", "is_good"),
    [
        ("Races coroutines: returns the first result and cancels the rest.", True),
        ("`dalston-rt mic` transcribes the microphone.", True),
        ("Is the command `dalston-rt`, one module a command.", True),
        ("Sessions that come, stay or speak, and leave.", False),
        ("Opens sessions on a server: audio goes in, typed events come out.", True),
        ("The options that commands share.", False),
    ],
)
def test_a_heading_is_told_from_a_sentence(sentence: str, is_good: bool) -> None:
    assert (begins_with_a_verb(sentence) and not RIDDLE.search(sentence)) is is_good


@pytest.mark.parametrize(
    "sentence",
    [
        "Audio files in, chunks of 16 kHz mono s16le out, a block at a time.",
        "Events of a session in; a live terminal out.",
        "Moonshine: utterances of several sessions in, their texts out.",
    ],
)
def test_a_riddle_is_known(sentence: str) -> None:
    assert RIDDLE.search(sentence)
