"""Makes the classes of Riva's messages out of a table of their fields, so that no code is generated.

A map is written as what it is on the wire: a repeated message with `key` and `value`. Fields that this server
does not read may be missing; the library keeps them as unknown ones. The classes have a pool of their own, in
which they meet no others of the same names.
"""

from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE: Final = "nvidia.riva.asr"
SERVICE: Final = f"{PACKAGE}.RivaSpeechRecognition"

_MESSAGES: Final = {
    "RequestId": "string value 1",
    "Entry": "string key 1, string value 2",
    "StreamingRecognizeRequest": (
        "StreamingRecognitionConfig streaming_config 1, bytes audio_content 2, Entry* runtime_config 3,"
        " RequestId id 100"
    ),
    "StreamingRecognitionConfig": "RecognitionConfig config 1, bool interim_results 2",
    "RecognitionConfig": (
        "int32 encoding 1, int32 sample_rate_hertz 2, string language_code 3, int32 max_alternatives 4,"
        " bool profanity_filter 5, SpeechContext* speech_contexts 6, int32 audio_channel_count 7,"
        " bool enable_word_time_offsets 8, bool enable_automatic_punctuation 11,"
        " bool enable_separate_recognition_per_channel 12, string model 13, bool verbatim_transcripts 14,"
        " SpeakerDiarizationConfig diarization_config 19, Entry* custom_configuration 24,"
        " EndpointingConfig endpointing_config 25"
    ),
    "SpeechContext": "string* phrases 1, float boost 4",
    "SpeakerDiarizationConfig": "bool enable_speaker_diarization 1, int32 max_speaker_count 2",
    "EndpointingConfig": (
        "int32 start_history 1, float start_threshold 2, int32 stop_history 3, float stop_threshold 4,"
        " int32 stop_history_eou 5, float stop_threshold_eou 6"
    ),
    "StreamingRecognizeResponse": "StreamingRecognitionResult* results 1, RequestId id 100",
    "StreamingRecognitionResult": (
        "SpeechRecognitionAlternative* alternatives 1, bool is_final 2, float stability 3,"
        " int32 channel_tag 5, float audio_processed 6"
    ),
    "SpeechRecognitionAlternative": (
        "string transcript 1, float confidence 2, WordInfo* words 3, string* language_code 4"
    ),
    "WordInfo": (
        "int32 start_time 1, int32 end_time 2, string word 3, float confidence 4, int32 speaker_tag 5,"
        " string language_code 6"
    ),
    "RecognizeRequest": "RecognitionConfig config 1, bytes audio 2, RequestId id 100",
    "RecognizeResponse": "SpeechRecognitionResult* results 1, RequestId id 100",
    "SpeechRecognitionResult": (
        "SpeechRecognitionAlternative* alternatives 1, int32 channel_tag 2, float audio_processed 3"
    ),
    "RivaSpeechRecognitionConfigRequest": "string model_name 1",
    "RivaSpeechRecognitionConfigResponse": "ModelConfig* model_config 1",
    "ModelConfig": "string model_name 1, Entry* parameters 2",
}
"""The messages; a field is its type (with a star where it is repeated), its name and its number."""

_TYPES: Final = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "float": FieldDescriptorProto.TYPE_FLOAT,
}


def _add_field(message: Any, text: str) -> None:
    kind, name, number = text.split()
    repeated = kind.endswith("*")
    label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
    field = message.field.add(name=name, number=int(number), label=label)
    kind = kind.rstrip("*")
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{PACKAGE}.{kind}"


def _make_classes() -> dict[str, Any]:
    file = FileDescriptorProto(name="riva.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split(","):
            _add_field(message, field)
    pool = DescriptorPool()
    pool.Add(file)
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in _MESSAGES}


_CLASSES: Final = _make_classes()

Alternative: Final = _CLASSES["SpeechRecognitionAlternative"]
ConfigRequest: Final = _CLASSES["RivaSpeechRecognitionConfigRequest"]
ConfigResponse: Final = _CLASSES["RivaSpeechRecognitionConfigResponse"]
RecognitionConfig: Final = _CLASSES["RecognitionConfig"]
RecognizeRequest: Final = _CLASSES["RecognizeRequest"]
RecognizeResponse: Final = _CLASSES["RecognizeResponse"]
StreamingRequest: Final = _CLASSES["StreamingRecognizeRequest"]
StreamingResponse: Final = _CLASSES["StreamingRecognizeResponse"]
