"""Adds to pydantic's JSON schemas: names for enumerations, and which fields are always sent.

SenderKind = Annotated[Literal["long_code", "toll_free"], Named("SenderKind")]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

NAME, FEATURE = "x-name", "x-feature"


@dataclass(frozen=True, slots=True)
class Named:
    """Names an enumeration: clients get it as one type and one list."""

    name: str

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), NAME: self.name}


class Schema(GenerateJsonSchema):
    """Marks every field of a sent model as required, except those of `frames.left_out`, and adds the feature that
    defines the model."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        if self.mode == "serialization":
            return "serialization_exclude_if" not in field
        return super().field_is_required(field, total)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return super().model_schema(schema) | {FEATURE: _feature(schema["cls"])}

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        return super().enum_schema(schema) | {FEATURE: _feature(schema["cls"])}


def _feature(model: type[Any]) -> str:
    """`accounts` for a model from `server/accounts/`, `frames` for a model from `server/frames.py`."""
    return model.__module__.split(".")[1]
