"""Lists the dialects that the gateway serves over WebSockets."""

from typing import Final

from gateway.realtime.dialects.dialect import Dialect

DIALECTS: Final[tuple[Dialect, ...]] = ()
