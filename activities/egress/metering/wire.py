"""The part of Envoy's gRPC protocols that the meter speaks, by the field numbers of its published API.

Written here because both packages that carry the whole API take the name `envoy` or bring a second gRPC with them; the
fields that are left out are skipped when read, as protocol buffers provide for. See
https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/ext_proc/v3/external_processor.proto and
https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/external_auth.proto.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2

_PACKAGE = "journeyman.egress.wire"
_Kind = descriptor_pb2.FieldDescriptorProto
_KINDS = {
    "string": _Kind.TYPE_STRING,
    "bytes": _Kind.TYPE_BYTES,
    "bool": _Kind.TYPE_BOOL,
    "int32": _Kind.TYPE_INT32,
}
_FIELDS: dict[str, tuple[tuple[int, str, str], ...]] = {
    # envoy.config.core.v3
    "Metadata": ((1, "filter_metadata", "map Struct"),),
    "HeaderValue": ((1, "key", "string"), (2, "value", "string"), (3, "raw_value", "bytes")),
    "HeaderMap": ((1, "headers", "repeated HeaderValue"),),
    # envoy.service.ext_proc.v3
    "HttpHeaders": ((1, "headers", "HeaderMap"), (3, "end_of_stream", "bool")),
    "HttpBody": ((1, "body", "bytes"), (2, "end_of_stream", "bool")),
    "ProcessingRequest": (
        (2, "request_headers", "HttpHeaders"),
        (3, "response_headers", "HttpHeaders"),
        (4, "request_body", "HttpBody"),
        (5, "response_body", "HttpBody"),
        (8, "metadata_context", "Metadata"),
    ),
    # envoy.extensions.filters.http.ext_proc.v3; 1 is SEND for headers and STREAMED for bodies
    "ProcessingMode": (
        (1, "request_header_mode", "int32"),
        (2, "response_header_mode", "int32"),
        (3, "request_body_mode", "int32"),
        (4, "response_body_mode", "int32"),
    ),
    "BodyMutation": ((1, "body", "bytes"), (2, "clear_body", "bool")),
    "CommonResponse": ((3, "body_mutation", "BodyMutation"),),
    "BodyResponse": ((1, "response", "CommonResponse"),),
    "Unchanged": (),
    "ImmediateResponse": ((1, "status", "Status"), (3, "body", "bytes"), (5, "details", "string")),
    "ProcessingResponse": (
        (1, "request_headers", "Unchanged"),
        (2, "response_headers", "Unchanged"),
        (3, "request_body", "BodyResponse"),
        (4, "response_body", "Unchanged"),
        (7, "immediate_response", "ImmediateResponse"),
        (9, "mode_override", "ProcessingMode"),
    ),
    # envoy.service.auth.v3
    "AttributeContext": ((10, "context_extensions", "map string"),),
    "CheckRequest": ((1, "attributes", "AttributeContext"),),
    "OkHttpResponse": (),
    "HeaderValueOption": ((1, "header", "HeaderValue"),),
    "DeniedHttpResponse": (
        (1, "status", "Status"),
        (2, "headers", "repeated HeaderValueOption"),
        (3, "body", "string"),
    ),
    "Status": ((1, "code", "int32"),),
    "CheckResponse": (
        (1, "status", "Status"),
        (2, "denied_response", "DeniedHttpResponse"),
        (3, "ok_response", "OkHttpResponse"),
        (4, "dynamic_metadata", "Struct"),
    ),
}


def _describe() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="journeyman/egress/wire.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=["google/protobuf/struct.proto"],
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, field, kind in fields:
            shape, _, of = kind.rpartition(" ")
            added = message.field.add(
                name=field, number=number, label=_Kind.LABEL_REPEATED if shape else _Kind.LABEL_OPTIONAL
            )
            if shape == "map":
                entry = message.nested_type.add(name="".join(part.title() for part in field.split("_")) + "Entry")
                entry.options.map_entry = True
                _set_kind(entry.field.add(name="key", number=1, label=_Kind.LABEL_OPTIONAL), "string")
                _set_kind(entry.field.add(name="value", number=2, label=_Kind.LABEL_OPTIONAL), of)
                added.type, added.type_name = _Kind.TYPE_MESSAGE, f".{_PACKAGE}.{name}.{entry.name}"
            else:
                _set_kind(added, of)
    return file


def _set_kind(field: _Kind, kind: str) -> None:
    if kind in _KINDS:
        field.type = _KINDS[kind]
    else:
        field.type = _Kind.TYPE_MESSAGE
        field.type_name = ".google.protobuf.Struct" if kind == "Struct" else f".{_PACKAGE}.{kind}"


_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
_pool.Add(_describe())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


ProcessingRequest = _message("ProcessingRequest")
ProcessingResponse = _message("ProcessingResponse")
CheckRequest = _message("CheckRequest")
CheckResponse = _message("CheckResponse")
