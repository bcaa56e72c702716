"""Classes of protobuf messages, made from tables of their fields.

They are in a pool of their own: protobuf's common one refuses a second definition of a name, and
TensorFlow, where it is loaded too, has its own there.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# By a message's name, the numbers of its fields with what each is:
#   "TYPE NAME", "repeated TYPE NAME", "map KEY_TYPE VALUE_TYPE NAME",
#   "optional TYPE NAME" (which knows whether it is set), "oneof GROUP TYPE NAME".
# A message inside another is "OUTER.INNER", after OUTER.
Messages = Mapping[str, Mapping[int, str]]
# By an enumeration's name, its numbers with their names.
Enums = Mapping[str, Mapping[int, str]]

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _FIELD.TYPE_BOOL,
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
    "sint64": _FIELD.TYPE_SINT64,
    "uint32": _FIELD.TYPE_UINT32,
    "uint64": _FIELD.TYPE_UINT64,
    "float": _FIELD.TYPE_FLOAT,
    "double": _FIELD.TYPE_DOUBLE,
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
}


class Definitions:
    """A pool of definitions, to which tables are added."""

    def __init__(self):
        self._pool = descriptor_pool.DescriptorPool()
        self._files: list[str] = []

    def copy(self, modules: Iterable[Any]) -> None:
        """Add the definitions of protobuf's own modules, such as `any_pb2`."""
        for module in modules:
            file = descriptor_pb2.FileDescriptorProto()
            module.DESCRIPTOR.CopyToProto(file)
            self._add(file)

    def define(self, package: str, messages: Messages, enums: Enums | None = None) -> None:
        """Add tables, whose types may be any of what was added before.

        Args:
            package: the first part of their full names; "" for none.
            messages: the fields of each message.
            enums: the names of each enumeration's numbers.
        """
        name = f"seqtasks/{package or 'own'}_{len(self._files)}.proto"
        file = descriptor_pb2.FileDescriptorProto(
            name=name, package=package, syntax="proto3", dependency=self._files
        )
        placed: dict[str, Any] = {"": file}
        for name, fields in messages.items():
            outer, _, inner = name.rpartition(".")
            siblings = placed[outer].nested_type if outer else file.message_type
            placed[name] = siblings.add(name=inner)
            for number, field in fields.items():
                _define_field(placed[name], number, field)
        for name, numbers in (enums or {}).items():
            outer, _, inner = name.rpartition(".")
            enum = placed[outer].enum_type.add(name=inner)
            for number, each in numbers.items():
                enum.value.add(name=each, number=number)
        for message in file.message_type:
            _end_with_optional(message)
        self._add(file)

    def message(self, name: str) -> Any:
        """Give the class of a message by its full name."""
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))

    def _add(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        self._pool.Add(file)
        self._files.append(file.name)


def _define_field(message: Any, number: int, text: str) -> None:
    words = text.split()
    kind = words.pop(0) if words[0] in ("repeated", "optional", "oneof", "map") else ""
    name = words.pop()
    field = message.field.add(name=name, number=number, label=_FIELD.LABEL_OPTIONAL)
    if kind == "map":
        entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        _define_field(entry, 1, f"{words[0]} key")
        _define_field(entry, 2, f"{words[1]} value")
        words = [entry.name]
    elif kind == "oneof":
        field.oneof_index = _group(message, words.pop(0))
    elif kind == "optional":
        field.proto3_optional = True
    if kind in ("repeated", "map"):
        field.label = _FIELD.LABEL_REPEATED
    (wanted,) = words
    if wanted in _SCALARS:
        field.type = _SCALARS[wanted]
    else:
        field.type_name = wanted  # the pool finds out whether it is a message or an enumeration


def _group(message: Any, name: str) -> int:
    """Give the index of a message's oneof, which comes with its first field."""
    names = [group.name for group in message.oneof_decl]
    if name not in names:
        message.oneof_decl.add(name=name)
    return names.index(name) if name in names else len(names)


def _end_with_optional(message: Any) -> None:
    """Give each optional field a oneof of its own; protobuf wants these after the real ones."""
    for field in message.field:
        if field.proto3_optional:
            field.oneof_index = _group(message, f"_{field.name}")
    for inner in message.nested_type:
        _end_with_optional(inner)
