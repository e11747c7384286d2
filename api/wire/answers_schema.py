"""What clients read: the shapes of answers, as /openapi.json tells them.

The answers themselves are made by `api.wire.outgoing`, which costs a fraction of filling models; that both say the same
is what the tests with schemathesis are for. Nothing beside these members is ever sent.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from api.wire.schema import Name
from db.clearing_data.keys import Role
from db.market_data.reads import OrderStatus as ReportedStatus
from tasks.data_feed.rules.rows import EventType
from tasks.messages import OrderType, PhaseCause, Side, TimeInForce
from tasks.shared.rules.securities import SecurityPhase

Row = TypeVar("Row")

Dollars = Annotated[Decimal, WithJsonSchema({"type": "number", "description": "dollars, with two decimals"})]
BasisPoints = Annotated[Decimal, WithJsonSchema({"type": "number", "description": "basis points of what is paid"})]
Fraction = Annotated[Decimal, WithJsonSchema({"type": "number"})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(ge=0)]
Number = Annotated[int, Field(ge=1)]
Milliseconds = Annotated[float, Field(ge=0)]


class Answer(BaseModel):
    """Base of the answers: every member is there, and no other."""

    model_config = ConfigDict(extra="forbid")


class Root(Answer):
    """Where to find what."""

    name: str
    orders: str
    securities: str
    book: str
    health: str
    openapi: str
    docs: str


class FieldFault(Answer):
    """What is wrong with a field: a JSON pointer into the body, or `?name` of a parameter."""

    pointer: str
    detail: str


class Problem(Answer):
    """A refusal or a fault (RFC 9457); `code` is for programs and keeps its meaning."""

    # Some say more, as which dependency is away; and only some have faults of fields.
    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    code: str
    detail: str
    request_id: str
    errors: list[FieldFault] = []


class Page(Answer, Generic[Row]):
    """Rows, and where the next page begins; null when there is none."""

    data: list[Row]
    next_cursor: str | None


class Rows(Answer, Generic[Row]):
    """All rows there are."""

    data: list[Row]


# -- orders --------------------------------------------------------------------------------------------------------


class Submitted(Answer):
    """A request that RabbitMQ has on a quorum queue."""

    status: Literal["success"]
    order_id: Number
    client_order_id: str | None
    message: str


class Duplicate(Submitted):
    """The answer to an order that came before under the same client order id."""

    duplicate: Literal[True]


class MassCancelled(Answer):
    """A mass cancel that RabbitMQ has on a quorum queue: one command for each shard concerned."""

    status: Literal["success"]
    client_id: str
    security_id: str | None
    side: Side | None
    command_ids: list[Number]
    message: str


class Results(Answer):
    """One result for each request of an array, in its place."""

    status: Literal["success"]
    results: list[Submitted | Duplicate | Problem]


class Order(Answer):
    """An order, and how far it has come."""

    order_id: Number
    client_order_id: str | None
    client_id: str
    security_id: str
    type: OrderType
    side: Side
    quantity: Number
    price: Dollars | None
    stop_price: Dollars | None
    display_quantity: Number | None
    time_in_force: TimeInForce
    expires_at: Time | None
    post_only: bool
    filled_quantity: Count
    average_price: Dollars | None
    status: Literal["pending", "new", "partially_filled", "filled", "cancelled", "rejected"]
    reason: str | None
    created_at: Time
    updated_at: Time


class Fill(Answer):
    """A settled trade as one of its sides sees it."""

    trade_id: str
    order_id: Number
    client_id: str
    security_id: str
    side: Side
    quantity: Number
    price: Dollars
    fee: Dollars
    timestamp: Time
    settled_at: Time


class Report(Answer):
    """A stage's word to a client."""

    event_type: EventType
    status: Literal["confirmed", "denied"]
    order_id: Number
    client_id: str
    security_id: str
    side: Side | None
    quantity: Count | None
    price: Dollars | None
    reason: str | None
    sequence: Count
    timestamp: Time


class Status(Answer):
    """How far an order has come, by its reports."""

    status: ReportedStatus


class LifeSpan(Answer):
    """A part of an order's life: it waits for a stage, or the stage works on it."""

    stage: Literal["api", "order_entry", "matching", "order_execution", "data_feed"]
    part: Literal["queue", "work"]
    what: str
    start_ms: Milliseconds
    end_ms: Milliseconds


class Life(Answer):
    """What an order went through, up to the first thing that happened to it; times since the api took it."""

    order_id: Number | None
    security_id: str
    started_at: Time
    total_ms: Milliseconds
    spans: list[LifeSpan]


# -- accounts ------------------------------------------------------------------------------------------------------


class OpenedAccount(Answer):
    """A new account; its key is shown this once."""

    client_id: str
    balance: Dollars
    api_key: str


class AccountResumed(Answer):
    """A client that may trade again."""

    client_id: str
    state: Literal["open"]


class AccountStopped(Answer):
    """A client that is stopped; the commands cancel its open orders, one for each shard."""

    client_id: str
    state: Literal["stopped"]
    command_ids: list[Number]


class AccountClosed(Answer):
    """A client whose account is closed for good; the commands cancel its open orders, one for each shard."""

    client_id: str
    state: Literal["closed"]
    command_ids: list[Number]


class Balance(Answer):
    """Cash of an account; what is held for open orders is part of the balance."""

    client_id: str
    balance: Dollars
    held: Dollars
    available: Dollars


class Holding(Answer):
    """Shares of a security in an account."""

    security_id: str
    shares: Count
    held: Count
    available: Count


class HoldingOf(Holding):
    """Shares of a security in the account of a client."""

    client_id: str


class Account(Balance):
    """What is in an account, and what it is worth at the last prices."""

    holdings: list[Holding]
    equity: Dollars


class Transferred(Answer):
    """A transfer that is booked."""

    status: Literal["success"]
    client_id: str
    transfer_id: Name


class TransferredBefore(Transferred):
    """A transfer that was booked before."""

    duplicate: Literal[True]


class Amounts(Answer):
    """What an account has: cash, and shares by security."""

    cash: Dollars
    shares: dict[str, int]


class Posting(Answer):
    """What an entry of the ledger did to an account."""

    entry_id: Number
    timestamp: Time
    kind: str
    trade_id: str | None
    transfer_id: str | None
    security_id: str | None
    cash: Dollars
    shares: int


class Statement(Answer):
    """An account over a time: opening balance, postings, closing balance."""

    client_id: str
    from_: Annotated[Time, Field(alias="from")]
    to: Time
    opening: Amounts
    postings: list[Posting]
    closing: Amounts


class Obligation(Answer):
    """What a client owes and is owed for a security: shares, and the cash for them."""

    client_id: str
    security_id: str
    bought: Count
    sold: Count
    net_shares: int
    paid: Dollars
    received: Dollars
    net_cash: Dollars


class NetCash(Answer):
    """What a client gets (+) or pays (-) for all securities together."""

    client_id: str
    gross_cash: Dollars
    net_cash: Dollars


class Netting(Answer):
    """How much netting saves over a time: an efficiency of 0.9 leaves a tenth of what was traded to be moved."""

    from_: Annotated[Time, Field(alias="from")]
    to: Time
    trades: Count
    gross_cash: Dollars
    net_cash: Dollars
    cash_efficiency: Fraction | None
    gross_shares: Count
    net_shares: Count
    share_efficiency: Fraction | None
    obligations: list[Obligation]
    clients: list[NetCash]


class Key(Answer):
    """What is known of a key; the key itself is not."""

    key_id: Number
    name: str | None
    role: Role
    read_only: bool
    created_at: Time
    revoked_at: Time | None


class WhoAmI(Answer):
    """Whose key somebody has; the admin is no client."""

    client_id: str | None
    role: Role
    read_only: bool


class MadeKey(Key):
    """A new key, shown this once."""

    api_key: str


# -- market data ---------------------------------------------------------------------------------------------------


class Security(Answer):
    """A listed security."""

    security_id: str
    tick: Dollars
    min_price: Dollars
    max_price: Dollars
    issued_shares: Number
    halted: bool
    maker_fee: BasisPoints
    taker_fee: BasisPoints
    phase: SecurityPhase
    phase_cause: PhaseCause | None
    phase_ends_at: Time | None
    reference_price: Dollars
    band: Fraction | None


class Price(Answer):
    """Best and last prices, null where there is none."""

    security_id: str
    bid: Dollars | None
    ask: Dollars | None
    last: Dollars | None
    timestamp: Time | None


Level = Annotated[
    tuple[Dollars, Number, Number],
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 3,
            "maxItems": 3,
            "description": "price, quantity and number of orders",
        }
    ),
]


class Book(Answer):
    """An order book, best prices first."""

    security_id: str
    sequence: Count
    bids: list[Level]
    asks: list[Level]


class Trade(Answer):
    """A trade as everybody sees it."""

    trade_id: str
    security_id: str
    price: Dollars
    quantity: Number
    aggressor_side: Side | None
    sequence: Number
    timestamp: Time


class Candle(Answer):
    """The trades of an interval."""

    start: Time
    open: Dollars
    high: Dollars
    low: Dollars
    close: Dollars
    volume: Number


class Standing(Answer):
    """A client's place by what it is worth."""

    rank: Number
    client_id: str
    equity: Dollars
    balance: Dollars
    holdings: dict[str, Count]
    trades: Count
    return_: Annotated[Fraction | None, Field(alias="return")]


class Curves(Answer):
    """What clients were worth over time, by client a value for each of the times."""

    times: list[Time]
    equity: dict[str, list[Dollars | None]]
    returns: dict[str, list[Fraction | None]]


# -- operations ----------------------------------------------------------------------------------------------------


class Live(Answer):
    """The api answers."""

    status: Literal["live"]


class Ready(Answer):
    """Everything that an order needs is there."""

    status: Literal["ready"]
    dependencies: dict[str, str]


class AuditRule(Answer):
    """A rule of the audit, and what breaks it."""

    rule: int
    name: str
    passed: bool
    checked: Count
    found: Count
    findings: list[str]


class Audit(Answer):
    """Whether what must always hold holds."""

    passed: bool
    checked_at: Time
    rules: list[AuditRule]


# A document that describes itself.
Document = dict[str, Any]
