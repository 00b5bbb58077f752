"""Shows a job of the batch pipeline: how far it is, and the transcript that it made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from dalston_realtime.cli.display.phrases import format_time
from dalston_realtime.client.errors import one_line
from dalston_realtime.protocol.jobs import BatchJob, EnhancedTranscript
from dalston_realtime.subtitles.cues import plain

WAITING = "waiting for an enhancer"


@contextmanager
def job_progress(console: Console) -> Iterator[Callable[[BatchJob], None]]:
    """Shows a bar while a job goes on; outside of a terminal a line for each stage."""
    if not console.is_terminal:
        yield _line_printer(console)
        return
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %")
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(WAITING, total=100)
        yield lambda job: bar.update(task, description=_stage(job), completed=job.percent)


def _line_printer(console: Console) -> Callable[[BatchJob], None]:
    shown = ""

    def show(job: BatchJob) -> None:
        nonlocal shown
        if _stage(job) != shown:
            shown = _stage(job)
            console.print(f"{job.percent:3.0f} %  {shown}", soft_wrap=True, markup=False)

    return show


def _stage(job: BatchJob) -> str:
    return (job.stage or job.status) if job.status != "queued" else WAITING


def job_lines(job: BatchJob) -> Iterator[Text]:
    """What became of a job, and its transcript where there is one."""
    if job.result is None:
        reason = f": {one_line(job.reason)}" if job.reason else f", {job.percent:.0f} %"
        yield Text(f"{job.job_id} is {job.status}{reason}")
        return
    yield from transcript_lines(job.result)
    for stage in job.stages:
        if stage.status == "skipped":
            yield Text(f"without {stage.name}: {one_line(stage.reason or 'not asked for')}", style="dim")


def transcript_lines(result: EnhancedTranscript) -> Iterator[Text]:
    """Each segment behind its start and its speaker, then what else the pipeline found."""
    names = {each.id: each.name or each.id for each in result.speakers}
    for segment in result.segments:
        speaker = names.get(segment.speaker or "", segment.speaker or "")
        named = f"{one_line(speaker, 100)}: " if speaker else ""
        at = f"{format_time(segment.start):>9}  "
        yield Text.assemble((at, "dim"), (named, "bold"), plain(segment.text))
    if not result.segments:
        yield Text("nobody said anything")
    if result.summary:
        yield Text.assemble(("Summary: ", "bold"), plain(result.summary))
    for item in result.action_items or ():
        yield Text.assemble(("To do: ", "bold"), plain(item))
