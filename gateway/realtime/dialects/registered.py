"""Lists the dialects that the gateway serves over WebSockets."""

from typing import Final

from gateway.realtime.dialects.assemblyai import AssemblyAiStreaming
from gateway.realtime.dialects.deepgram_flux import DeepgramFlux
from gateway.realtime.dialects.deepgram_listen import DeepgramListen
from gateway.realtime.dialects.dialect import Dialect
from gateway.realtime.dialects.elevenlabs import ElevenLabsRealtime
from gateway.realtime.dialects.openai_realtime import OpenAIRealtime
from gateway.realtime.dialects.twilio import TwilioMedia

DIALECTS: Final[tuple[Dialect, ...]] = (
    DeepgramListen(),
    DeepgramFlux(),
    ElevenLabsRealtime(),
    TwilioMedia(),
    AssemblyAiStreaming(),
    OpenAIRealtime(),
)
