"""Trains a model on a folder of spoken digits and writes a `.nemo` file.

First the encoder learns alone, under a CTC head that is thrown away later; then all of the model
under the transducer loss. What is needed to go on after an interruption lies in one state file,
written every few minutes.
"""

import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import typer
from torch import Tensor
from torch.nn.functional import ctc_loss, pad
from torch.nn.utils.rnn import pad_sequence

from tests.checkpoints.digits_model import (
    build_model,
    fold_normalization,
    save_model,
    train_tokenizer,
)
from tests.checkpoints.digits_scoring import decode_offline, word_error_rate
from tests.checkpoints.digits_speech import load_samples, read_manifest

BATCH = 24  # utterances of like length
CTC_STEPS = 700  # by then the CTC loss has been flat for long
WARM_UP = 100  # steps
RATE = 7e-4
EVALUATE_EVERY = 250  # steps: two to five minutes on two cores
REPORT_EVERY = 50  # steps
SILENCE = -16.6  # log-mel of digital silence, with which a pipeline fills the time before a stream
LEAD = 16  # frames of it at most: what the encoder sees of that time


@dataclass(frozen=True)
class TrainingPlan:
    """What to train from, where to, how long."""

    data: Path
    out: Path
    steps: int  # in all, an interrupted run's included
    seed: int

    @property
    def state(self) -> Path:
        """The file with all that goes on after an interruption."""
        return self.data / f"training-{self.seed}.pt"


@dataclass(frozen=True)
class Corpus:
    """One split in memory: log-mels (bands, frames), tokens, texts."""

    features: list[Tensor]
    tokens: list[Tensor]
    texts: list[str]


@dataclass(frozen=True)
class TrainingBatch:
    """Padded log-mels (utterances, bands, frames) and tokens, each with its lengths."""

    features: Tensor
    frames: Tensor
    tokens: Tensor
    lengths: Tensor


def load_corpus(model: Any, data: Path, name: str) -> Corpus:
    """The log-mels are computed once: nothing about them changes from epoch to epoch."""
    utterances = read_manifest(data, name)
    features = []
    for samples in load_samples(data, name, utterances):
        signal = torch.from_numpy(samples)[None]
        mels, _ = model.preprocessor(input_signal=signal, length=torch.tensor([len(samples)]))
        features.append(mels[0])
    texts = [utterance.text for utterance in utterances]
    tokens = [torch.tensor(model.tokenizer.text_to_ids(text), dtype=torch.long) for text in texts]
    return Corpus(features, tokens, texts)


def collate(corpus: Corpus, chosen: list[int], lead: int) -> TrainingBatch:
    """The chosen utterances of a corpus as one batch, after so many frames of silence."""
    features = [pad(corpus.features[number], (lead, 0), value=SILENCE).T for number in chosen]
    tokens = [corpus.tokens[number] for number in chosen]
    return TrainingBatch(
        features=pad_sequence(features, batch_first=True).transpose(1, 2),
        frames=torch.tensor([len(item) for item in features]),
        tokens=pad_sequence(tokens, batch_first=True),
        lengths=torch.tensor([len(item) for item in tokens]),
    )


def draw_batches(corpus: Corpus, rng: random.Random) -> list[list[int]]:
    """One epoch: utterances of like length together, the batches in random order."""

    def length(number: int) -> float:
        return corpus.features[number].shape[1] * rng.uniform(0.9, 1.1)

    order = sorted(range(len(corpus.texts)), key=length)
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    rng.shuffle(batches)
    return batches


def batches_from(corpus: Corpus, seed: int, step: int) -> Iterator[TrainingBatch]:
    """Batches without end, from a step on: the same ones after an interruption."""
    epoch, done = divmod(step, math.ceil(len(corpus.texts) / BATCH))
    while True:
        rng = random.Random(f"{seed} {epoch}")
        batches = [(chosen, rng.randint(0, LEAD)) for chosen in draw_batches(corpus, rng)]
        for chosen, lead in batches[done:]:
            yield collate(corpus, chosen, lead)
        epoch, done = epoch + 1, 0


def transducer_loss(logits: Tensor, batch: TrainingBatch, frames: Tensor) -> Tensor:
    """Mean negative log-likelihood under a transducer (Graves 2012, equations 16 to 19).

    `logits` is (utterances, frames, tokens + 1, vocabulary + 1) with the blank last. NeMo's numba
    loss gives the same loss and gradients, and walks the lattice in Python where there is no GPU:
    about 1 s a batch. Here a frame's whole row is summed at once, in about 10 ms a batch.
    """
    scores = logits.log_softmax(-1)
    blanks = scores[..., -1]
    targets = batch.tokens[:, None, :, None].expand(-1, scores.shape[1], -1, 1)
    emitted = pad(scores[:, :, :-1].gather(3, targets).squeeze(3).cumsum(2), (1, 0))
    forward = [emitted[:, 0]]
    for frame in range(1, scores.shape[1]):
        arrived = forward[-1] + blanks[:, frame - 1] - emitted[:, frame]
        forward.append(emitted[:, frame] + torch.logcumsumexp(arrived, dim=1))
    ends = torch.stack(forward, dim=1) + blanks
    return -ends[torch.arange(len(frames)), frames - 1, batch.lengths].mean()


def learning_rate(step: int, steps: int) -> float:
    """Share of the highest rate: linear warm-up, then a cosine to zero."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))


class Report:
    """Says now and then how the loss falls and how long a step takes."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.losses: list[float] = []
        self.began = time.monotonic()

    def add(self, step: int, loss: float) -> None:
        """Takes the loss of one step."""
        self.losses.append(loss)
        if len(self.losses) == REPORT_EVERY:
            pace = (time.monotonic() - self.began) / REPORT_EVERY
            mean = sum(self.losses) / REPORT_EVERY
            typer.echo(f"step {step + 1}/{self.steps}: loss {mean:.3f}, {pace:.2f} s a step")
            self.losses.clear()
            self.began = time.monotonic()


class Training:
    """A model on its way: its CTC head, its optimizer, the step, the best score so far."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.head = torch.nn.Linear(model.encoder.d_model, model.joint.num_classes_with_blank)
        parameters = [*model.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, lr=RATE)
        self.step = 0
        self.best = math.inf  # WER on the dev split

    def ctc(self, batch: TrainingBatch, encoded: Tensor, frames: Tensor) -> Tensor:
        """The loss of the encoder alone; `encoded` is (utterances, width, frames)."""
        scores = self.head(encoded.permute(2, 0, 1)).log_softmax(-1)
        blank = scores.shape[-1] - 1
        return ctc_loss(scores, batch.tokens, frames, batch.lengths, blank, zero_infinity=True)

    def transducer(self, batch: TrainingBatch, encoded: Tensor, frames: Tensor) -> Tensor:
        """The loss of the whole model; `encoded` is (utterances, width, frames)."""
        decoded, _, _ = self.model.decoder(targets=batch.tokens, target_length=batch.lengths)
        logits = self.model.joint.joint(encoded.transpose(1, 2), decoded.transpose(1, 2))
        return transducer_loss(logits, batch, frames)

    def advance(self, batch: TrainingBatch, steps: int) -> float:
        """One step of `steps`; gives the loss before it."""
        encoded, frames = self.model.encoder(audio_signal=batch.features, length=batch.frames)
        objective = self.ctc if self.step < CTC_STEPS else self.transducer
        loss = objective(batch, encoded, frames)
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * learning_rate(self.step, steps)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return float(loss.detach())

    def score(self, corpus: Corpus) -> float:
        """WER of offline decoding over a corpus."""
        return word_error_rate(decode_offline(self.model, corpus.features), corpus.texts)

    def save(self, state: Path) -> None:
        """Writes all that goes on after an interruption, or leaves the old file whole."""
        partial = state.with_suffix(".partial")
        parts = {"step": self.step, "best": self.best, "model": self.model.state_dict()}
        parts |= {"head": self.head.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(parts, partial)
        partial.replace(state)

    def load(self, state: Path) -> None:
        """Takes up where `save` left off."""
        parts = torch.load(state)
        self.step, self.best = parts["step"], parts["best"]
        self.model.load_state_dict(parts["model"])
        self.head.load_state_dict(parts["head"])
        self.optimizer.load_state_dict(parts["optimizer"])


def fresh_model(data: Path) -> Any:
    """An untrained model over a tokenizer of its own, which lies beside the data."""
    tokenizer = data / "tokenizer"
    if not (tokenizer / "vocab.txt").exists():
        train_tokenizer((utterance.text for utterance in read_manifest(data, "train")), tokenizer)
    return build_model(tokenizer)


def export_if_best(training: Training, dev: Corpus, out: Path) -> None:
    """Writes the model to `out` if no earlier one scored better."""
    wer = training.score(dev)
    typer.echo(f"step {training.step}: dev WER {wer:.2%}, best before {training.best:.2%}")
    if wer <= training.best:
        training.best = wer
        save_model(training.model, out)


def train(plan: TrainingPlan) -> None:
    """Trains as planned, from the saved state if there is one."""
    torch.manual_seed(plan.seed)
    model = fresh_model(plan.data)
    corpus = load_corpus(model, plan.data, "train")
    levels = torch.cat([features.flatten() for features in corpus.features[:500]])
    fold_normalization(model, float(levels.mean()), float(levels.std()))
    training = Training(model)
    if plan.state.exists():
        training.load(plan.state)
    run(training, plan, corpus, load_corpus(model, plan.data, "dev"))


def run(training: Training, plan: TrainingPlan, corpus: Corpus, dev: Corpus) -> None:
    """The loop itself: steps, a line now and then, a score and a saved state every few minutes."""
    report = Report(plan.steps)
    for batch in batches_from(corpus, plan.seed, training.step):
        if training.step >= plan.steps:
            return
        training.model.train()
        report.add(training.step, training.advance(batch, plan.steps))
        if training.step % EVALUATE_EVERY == 0 or training.step == plan.steps:
            if training.step > CTC_STEPS:
                export_if_best(training, dev, plan.out)
            training.save(plan.state)
