"""The Flask application of the api: its services, its routes, and a problem for everything that goes wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus

import gevent
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import IntegerConverter

from api.accounts import closing, corrections, statements, stops
from api.accounts import keys as api_keys
from api.accounts import routes as accounts
from api.competitions import data as competition_data
from api.competitions import joining, organising
from api.competitions import pages as competition_pages
from api.competitions import reads as competition_reads
from api.competitions import replay as competition_replay
from api.competitions import report as competition_report
from api.competitions import routes as competitions
from api.dashboard import routes as dashboard
from api.docs import routes as description
from api.fast_lane import FastLane
from api.http.stream_places import StreamPlaces
from api.market import data as market_data
from api.market import day, leaderboard, listings, margin, securities
from api.market import netting as clearing
from api.market.commands import SecurityCommands
from api.operations import audit, health, metrics
from api.operations.figures import QueueWatch
from api.orders import lives, records, reports
from api.orders import reads as order_reads
from api.orders import routes as orders
from api.orders.endpoint import OrderEndpoint
from api.orders.intake.gateway import OrderGateway
from api.orders.intake.ids import OrderIds
from api.orders.intake.pending import PendingOrders
from api.orders.intake.pending_elsewhere import PendingElsewhere
from api.orders.intake.promises import Promises
from api.orders.intake.queue import OrderQueue
from api.orders.intake.rate_limits import RateLimits
from api.orders.intake.uncertain import UncertainOrders
from api.orders.intake.unfinished import FOLDER as PROMISES_FOLDER
from api.orders.intake.unfinished import Unfinished
from api.orders.lookup import OrderLookup
from api.request import query
from api.request.auth import Environ, Keys, admitted
from api.request.databases import ApiDatabase, writing
from api.request.listing import Listing
from api.request.origins import Origins
from api.request.refusals import RefusalLimits
from api.request.traffic import NO_ROUTE, Traffic
from api.wire.answers import our_fault, problem_answer
from api.wire.declaration import Caller, callers, parameters
from api.wire.problems import Problem
from api.wire.schema import ORDER_ID_DIGITS
from celery_app.settings import Settings
from db.clearing_data.log.orders import next_order_ids
from db.connect import Database

# The names of the application's extensions for the server.
KEYS = "exchange.keys"
FAST_LANE = "exchange.fast_lane"
TRAFFIC = "exchange.traffic"
# The key of the time of arrival in a request's environment.
_BEGAN_S = "exchange.began_s"

BLOCKS_AT_ONCE = 5

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media_type"}
_DETAILS = {404: "no resource has this path", 405: "this path does not support this method"}


class _OrderId(IntegerConverter):
    """An order id in a path: below 10^15, and so below 2^53. Anything else in its place leads to a 404."""

    regex = f"[1-9][0-9]{{0,{ORDER_ID_DIGITS - 1}}}"


def create_app(settings: Settings) -> Flask:
    """Return the application. Starts greenlets that use Postgres and RabbitMQ for as long as the process lives.

    raises  UnusableFolder  the run directory cannot be written
    """
    clearing_data, market_data_base = (
        ApiDatabase(url.get_secret_value()) for url in (settings.clearing_data_url, settings.market_data_url)
    )
    keys = Keys(clearing_data, remember_s=settings.key_cache_s)
    listing = Listing(clearing_data)
    unfinished = Unfinished(settings.run_directory / PROMISES_FOLDER)
    uncertain = UncertainOrders(clearing_data, unfinished)
    pending = PendingOrders(clearing_data, uncertain, overdue_after_s=settings.undecided_after_s)
    gevent.spawn(pending.run)
    ids, queue = OrderIds(lambda: _next_blocks(clearing_data)), OrderQueue()
    promises = Promises(clearing_data, unfinished)
    gevent.spawn(promises.run)
    commands = SecurityCommands(ids=ids, queue=queue, clearing_data=clearing_data)
    gateway = OrderGateway(
        shards=settings.shards,
        listing=listing,
        ids=ids,
        promises=promises,
        queue=queue,
        unfinished=unfinished,
        pending=pending,
        rate_limits=RateLimits(
            settings.redis_url.get_secret_value(),
            orders_per_s=settings.max_orders_per_s,
            most_at_once=settings.max_request_orders,
        ),
    )
    gevent.spawn(uncertain.run, gateway.queue_again)
    refusals = RefusalLimits(per_s=settings.max_refused_per_s)
    traffic = Traffic()
    endpoint = OrderEndpoint(keys, gateway, refusals, traffic)
    queues = QueueWatch()
    elsewhere = PendingElsewhere(settings.redis_url.get_secret_value(), pending) if settings.api_workers > 1 else None
    if elsewhere is not None:
        gevent.spawn(elsewhere.run)
    lookup = OrderLookup(clearing_data, pending, elsewhere)
    pages = competition_pages.Pages()
    app = Flask(__name__, static_folder=None)
    app.extensions[KEYS] = keys
    # Flask would answer OPTIONS by itself, and not in JSON.
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    # Two paths to one resource would be two paths to guard: no redirects to the right number of slashes.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    app.url_map.converters["order_id"] = _OrderId
    for blueprint in (
        orders.routes(
            keys=keys,
            gateway=gateway,
            lookup=lookup,
            listing=listing,
            endpoint=endpoint,
        ),
        order_reads.routes(keys=keys, lookup=lookup, listing=listing, clearing_data=clearing_data),
        securities.routes(commands=commands, listing=listing, clearing_data=clearing_data),
        listings.routes(commands=commands, listing=listing, clearing_data=clearing_data),
        accounts.routes(keys=keys, listing=listing, clearing_data=clearing_data),
        api_keys.routes(keys=keys, clearing_data=clearing_data, new_per_hour=settings.max_new_keys_per_hour),
        market_data.routes(listing=listing, market_data=market_data_base),
        day.routes(listing=listing, market_data=market_data_base),
        reports.routes(keys=keys, listing=listing, market_data=market_data_base),
        lives.routes(keys=keys, listing=listing, market_data=market_data_base),
        records.routes(
            keys=keys, lookup=lookup, listing=listing, clearing_data=clearing_data, market_data=market_data_base
        ),
        leaderboard.routes(clearing_data=clearing_data),
        health.routes(
            clearing_data=clearing_data,
            market_data=market_data_base,
            redis_url=settings.redis_url.get_secret_value(),
            streams=StreamPlaces(settings.run_directory, settings.streams),
            queues=queues,
        ),
        metrics.routes(
            clearing_data=clearing_data,
            market_data=market_data_base,
            pending=pending,
            queues=queues,
            traffic=traffic,
            run_directory=settings.run_directory,
        ),
        stops.routes(keys=keys, gateway=gateway, clearing_data=clearing_data),
        closing.routes(keys=keys, gateway=gateway, clearing_data=clearing_data),
        corrections.routes(listing=listing, clearing_data=clearing_data),
        clearing.routes(clearing_data=clearing_data),
        margin.routes(clearing_data=clearing_data),
        statements.routes(keys=keys, clearing_data=clearing_data),
        audit.routes(),
        description.routes(),
        dashboard.routes(keys=keys),
        competitions.routes(clearing_data=clearing_data),
        competition_reads.routes(clearing_data=clearing_data),
        organising.routes(clearing_data=clearing_data),
        competition_report.routes(clearing_data=clearing_data, market_data=market_data_base),
        competition_replay.routes(clearing_data=clearing_data),
        competition_data.routes(clearing_data=clearing_data, market_data=market_data_base),
        joining.routes(pages=pages, clearing_data=clearing_data),
        competition_pages.routes(pages=pages),
    ):
        app.register_blueprint(blueprint)
    may_call = callers(app)

    def admit(caller: Caller, environ: Environ) -> None:
        if (identity := keys.admit(caller, environ)) is not None:
            refusals.check(identity)

    def note(environ: Environ, status: int) -> None:
        identity = admitted(environ)
        if identity is not None and 400 <= status < 500 and status != HTTPStatus.TOO_MANY_REQUESTS:
            refusals.count(identity)

    def refused(problem: Problem) -> Response:
        traffic.refuse([problem.code])
        return problem_answer(problem)

    def note_response(response: Response) -> Response:
        note(request.environ, response.status_code)
        rule, seconds = request.url_rule, time.perf_counter() - request.environ[_BEGAN_S]
        traffic.answered(rule.rule if rule else NO_ROUTE, request.method, response.status_code, seconds)
        for name, text in origins.headers(request.environ).items():
            response.headers.add(name, text)
        return response

    origins = Origins(settings.allowed_origins)
    app.before_request(lambda: request.environ.update({_BEGAN_S: time.perf_counter()}))
    app.before_request(lambda: _answer_browser(origins))
    app.before_request(_guard(admit, may_call, parameters(app)))
    app.after_request(note_response)
    may_trade = may_call["orders.place"]
    app.extensions[FAST_LANE] = FastLane(
        admit=lambda environ: admit(may_trade, environ),
        serve=endpoint.post,
        note=note,
        also=origins.headers,
        traffic=traffic,
    )
    app.extensions[TRAFFIC] = traffic
    app.register_error_handler(Problem, refused)
    app.register_error_handler(HTTPException, _http_fault)
    app.register_error_handler(Exception, our_fault)
    return app


def _next_blocks(clearing_data: Database) -> list[range]:
    """Fetch some blocks of order ids: a transaction for each block would cost every order a microsecond."""
    with writing(clearing_data) as tx:
        return [next_order_ids(tx) for _ in range(BLOCKS_AT_ONCE)]


def _answer_browser(origins: Origins) -> Response | None:
    """Return which requests a page of another origin may send; the browser asks for it."""
    headers = origins.answer(request.environ)
    return None if headers is None else Response(status=204, headers=dict(headers))


def _guard(
    admit: Callable[[Caller, Environ], None],
    may_call: Mapping[str, Caller],
    parameters_of: Mapping[str, Collection[str]],
) -> Callable[[], None]:
    """Return the check that runs before every view."""

    def guard() -> None:
        # Werkzeug treats //orders as /orders; a proxy that guards paths in front of the api might not.
        if request.environ["PATH_INFO"].startswith("//"):
            raise NotFound
        if request.endpoint is None:
            return
        admit(may_call[request.endpoint], request.environ)
        allowed = parameters_of.get(request.endpoint)
        if allowed is not None:
            query.require_known(allowed)

    return guard


def _http_fault(fault: HTTPException) -> Response:
    """Return the problem for a request that Flask itself refuses."""
    status = fault.code or 500
    response = problem_answer(Problem(status, _CODES.get(status, "bad_request"), _DETAILS.get(status, fault.name)))
    allowed = fault.get_response().headers.get("Allow") if status == 405 else None
    if allowed:
        response.headers["Allow"] = allowed
    return response
