"""What a formation printed in, why it ended out."""

import errno
import os
import socket

import pytest

from runtime.local_server import free_ports, reason

LOG = """\
13:30:34 system      | asr.1 started (pid=23993)
13:30:35 sender.1    | INFO    sender ready
13:30:35 asr.1       | asr: bad setting: DALSTON_ASR_THREADS='x'
13:30:36 system      | asr.1 stopped (rc=1)
13:30:36 system      | sending SIGTERM to redis.1 (pid 23978)
13:30:36 redis.1     | User requested shutdown...
13:30:36 system      | redis.1 stopped (rc=0)
""".splitlines()


def test_the_process_that_ended_first_says_why() -> None:
    assert reason(LOG) == "asr.1 stopped (rc=1)\nasr: bad setting: DALSTON_ASR_THREADS='x'"


def test_of_much_that_it_said_the_last_counts() -> None:
    said = [f"13:30:35 asr.1       | line {number}" for number in range(50)]
    assert reason([*said, *LOG]).splitlines()[-2:] == ["line 49", LOG[2].partition("| ")[2]]
    assert "line 9" not in reason([*said, *LOG])


def test_where_it_said_nothing_its_exit_code_counts() -> None:
    assert reason(["13:30:36 system | vad.1 stopped (rc=-9)"]) == "vad.1 stopped (rc=-9)"


def test_where_none_ended_it_is_the_end_of_the_log() -> None:
    assert reason(LOG[:2]) == "\n".join(LOG[:2])
    assert reason([]) == ""


def test_a_free_port_is_given_to_nobody_else() -> None:
    (port,) = free_ports(1)
    with socket.socket() as other, pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)):
        other.bind(("127.0.0.1", port))


def test_a_server_can_listen_on_a_free_port() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)):
        socket.create_connection(("127.0.0.1", port)).close()
