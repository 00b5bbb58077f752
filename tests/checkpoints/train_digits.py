"""Makes and scores the digits checkpoint from a seed.

From the root of the repository, with espeakng-loader, torch, nemo_toolkit[asr] 3.0 and typer installed:

    python -m tests.checkpoints.train_digits synthesize --data DIR
    python -m tests.checkpoints.train_digits train --data DIR
    python -m tests.checkpoints.train_digits evaluate --data DIR

Each command leaves alone what is done already: an interrupted one is started again as it was.
"""

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

from tests.checkpoints import digits_speech

app = typer.Typer(help=__doc__.splitlines()[0], add_completion=False)

HERE = Path(__file__).parent
Data = Annotated[Path, typer.Option(help="Folder of the data set and of the training's state.")]
Out = Annotated[Path, typer.Option(help="The checkpoint.")]
Seed = Annotated[int, typer.Option(help="Decides the data, the first weights and the batches.")]
Threads = Annotated[int, typer.Option(help="Processor threads to use.")]
Steps = Annotated[int, typer.Option(help="Training steps in all, an interrupted run's included.")]


@app.command()
def synthesize(data: Data, seed: Seed = 0, threads: Threads = 2) -> None:
    """Speaks the digits: seven and a half hours of audio in three splits."""
    digits_speech.synthesize(data, seed, threads)


@app.command()
def train(
    data: Data,
    out: Out = HERE / "digits.nemo",
    steps: Steps = 3_000,
    seed: Seed = 0,
    threads: Threads = 2,
) -> None:
    """Trains the model; OUT is the one that scored best on the dev split."""
    from tests.checkpoints import digits_training

    torch.set_num_threads(threads)
    digits_training.train(digits_training.TrainingPlan(data, out, steps, seed))


@app.command()
def evaluate(data: Data, out: Out = HERE / "digits.nemo", threads: Threads = 1) -> None:
    """Scores the model on the test split: offline, then streamed alone and four at a time."""
    from tests.checkpoints import digits_scoring

    torch.set_num_threads(threads)
    utterances = digits_speech.read_manifest(data, "test")
    samples = list(digits_speech.load_samples(data, "test", utterances))
    scores = digits_scoring.evaluate(out, samples, [utterance.text for utterance in utterances])
    typer.echo(json.dumps(scores, indent=2))


if __name__ == "__main__":
    app()
