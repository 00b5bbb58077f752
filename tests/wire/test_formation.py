"""A server of one's own starts with its own settings, whatever another one in its folder has."""

from pathlib import Path

from runtime.local_server import LocalServer


def test_the_file_of_another_servers_settings_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("gateway: echo ready: $DALSTON_GATEWAY_PORT $DALSTON_OVERFLOW\n")
    (tmp_path / ".env").write_text("DALSTON_GATEWAY_PORT=1\nDALSTON_OVERFLOW=queue\n")
    server = LocalServer(tmp_path, root=tmp_path, overflow="degrade")
    try:
        line = server.wait_for("ready: ")
    finally:
        server.stop()
    assert line.endswith(f"ready: {server.port} degrade")
