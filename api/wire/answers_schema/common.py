"""The common parts of the shapes of all subjects: values with their units, pages, problems."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Row = TypeVar("Row")

Dollars = Annotated[Decimal, WithJsonSchema({"type": "number", "description": "dollars, with two decimals"})]
BasisPoints = Annotated[Decimal, WithJsonSchema({"type": "number", "description": "basis points of what is paid"})]
Fraction = Annotated[Decimal, WithJsonSchema({"type": "number"})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(ge=0)]
Number = Annotated[int, Field(ge=1)]
Milliseconds = Annotated[float, Field(ge=0)]


class Answer(BaseModel):
    """Base of the shapes: a response has every member, and no other."""

    model_config = ConfigDict(extra="forbid")


class Root(Answer):
    """The entry points of the api."""

    name: str
    orders: str
    securities: str
    book: str
    health: str
    openapi: str
    docs: str


class FieldFault(Answer):
    """The fault of a field: a JSON pointer into the body, or `?name` of a parameter."""

    pointer: str
    detail: str


class Problem(Answer):
    """A refusal or a fault (RFC 9457); `code` is for programs and keeps its meaning."""

    # Some problems have more members, such as the missing dependencies, and only some have faults of fields.
    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    code: str
    detail: str
    request_id: str
    errors: list[FieldFault] = []


class Page(Answer, Generic[Row]):
    """Rows, and the cursor of the next page; null on the last page."""

    data: list[Row]
    next_cursor: str | None


class Rows(Answer, Generic[Row]):
    """All rows, in one response."""

    data: list[Row]


# A document that describes itself.
Document = dict[str, Any]
