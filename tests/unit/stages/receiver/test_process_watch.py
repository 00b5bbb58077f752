"""A process that held its lock file and is gone is noticed at once."""

import asyncio
import sys
from pathlib import Path

from stages.receiver.process_watch import ProcessWatch
from tests.support.managed_process import DEADLINE_S, ManagedProcess

HOLDER = "import signal, sys; from pathlib import Path; from runtime.process import lock; \
held = lock(Path(sys.argv[1])); print('held', flush=True); signal.pause()"


def hold(path: Path) -> ManagedProcess:
    """A process that takes a lock; to be waited for with `line("held")`."""
    return ManagedProcess(sys.executable, "-c", HOLDER, str(path))


def test_a_process_that_dies_is_noticed(tmp_path: Path) -> None:
    async def main() -> None:
        died: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
        watch = ProcessWatch(tmp_path, lambda stage, index: died.put_nowait((stage, index)))
        with hold(tmp_path / "vad.2.lock") as holder:
            holder.line("held")
            for _ in range(3):
                watch.watch_process("vad", 1)
            holder.kill()
            async with asyncio.timeout(DEADLINE_S):
                assert await died.get() == ("vad", 1)
        with hold(tmp_path / "vad.2.lock") as again:  # a process of that name may come back
            again.line("held")
            watch.watch_process("vad", 1)
            again.kill()
            async with asyncio.timeout(DEADLINE_S):
                assert await died.get() == ("vad", 1)
        watch.close()

    asyncio.run(main())


def test_a_process_that_dies_is_noticed_where_a_cleaner_removed_its_file(tmp_path: Path) -> None:
    async def main() -> None:
        died: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
        watch = ProcessWatch(tmp_path, lambda stage, index: died.put_nowait((stage, index)))
        with hold(tmp_path / "vad.1.lock") as holder:
            holder.line("held")
            watch.watch_process("vad", 0)
            (tmp_path / "vad.1.lock").unlink()
            holder.kill()
            async with asyncio.timeout(5):
                assert await died.get() == ("vad", 0)
        watch.close()

    asyncio.run(main())


def test_a_process_id_of_somebody_else_is_no_alarm(tmp_path: Path) -> None:
    async def main(other: ManagedProcess) -> None:
        alarms: list[str] = []
        watch = ProcessWatch(tmp_path, lambda stage, _index: alarms.append(stage))
        (tmp_path / "vad.1.lock").write_text(str(other.pid))
        watch.watch_process("vad", 0)
        other.kill()
        await asyncio.to_thread(other.wait)
        for _ in range(10):
            await asyncio.sleep(0)
        assert alarms == []
        watch.close()

    with hold(tmp_path / "vad.1.lock") as holder, hold(tmp_path / "other.lock") as other:
        holder.line("held")
        other.line("held")
        asyncio.run(main(other))
        holder.kill()


def test_what_cannot_be_watched_is_left_to_its_beats(tmp_path: Path) -> None:
    async def main() -> None:
        watch = ProcessWatch(tmp_path, lambda *_: None)
        (tmp_path / "asr.1.lock").write_text("nonsense")
        watch.watch_process("asr", 0)
        watch.watch_process("vad", 0)
        watch.close()

    asyncio.run(main())
