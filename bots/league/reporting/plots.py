"""Draws the plots of the report; each function returns a data URL for an image in the page."""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, sqrt

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from bots.league.play.result import BotResult, Match
from bots.league.reporting.ink import (
    BLUE,
    DARK,
    GREY,
    LIGHT,
    ORANGE,
    PALE,
    averaged,
    figure,
    hours,
    mosaic,
    picture,
    spread_of,
    thinned,
)
from bots.league.scoring.metrics import drawdowns, gains_cents, inventory_of, worth
from bots.league.scoring.standings import Standing
from bots.league.scoring.stylised_facts import Market, middle_cents

_NUMBERS = FuncFormatter(lambda value, _: f"{round(value, 6) + 0.0:,.6g}".replace("-", "\N{MINUS SIGN}"))


def gains(standings: Sequence[Standing]) -> str:
    """Draw each bot's gain: a dot for each match, the mean, and its confidence interval."""
    drawn, (axes,) = figure(7.6, 0.55 + 0.28 * len(standings))
    for row, bot in enumerate(standings):
        each = [match.gain_cents / 100 for match in bot.matches]
        axes.plot(each, [row] * len(each), "o", color=PALE, markersize=4, zorder=2)
        if bot.gain_cents.low is not None and bot.gain_cents.high is not None:
            ends = [bot.gain_cents.low / 100, bot.gain_cents.high / 100]
            axes.plot(ends, [row, row], color=BLUE, linewidth=2.2, solid_capstyle="butt", zorder=3)
        axes.plot([bot.gain_cents.mean / 100], [row], "D", color=BLUE, markersize=5, zorder=4)
    axes.axvline(0, color=DARK, linewidth=0.8)
    axes.set_yticks(range(len(standings)), [bot.name for bot in standings], parse_math=False)
    axes.set_ylim(len(standings) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(_NUMBERS)
    axes.set_xlabel("gain against holding [$]")
    return picture(drawn)


def curves(matches: Sequence[Match], names: Sequence[str]) -> str:
    """Draw the gain of each bot over time, in each match and on average."""
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    drawn, panels = figure(7.6, 0.3 + 1.45 * rows, rows, columns, sharex=True)
    places = {bot.name: at for at, bot in enumerate(matches[0].bots)}
    for axes, name in zip(panels, names, strict=False):
        every = [[cents / 100 for cents in gains_cents(match, match.bots[places[name]])] for match in matches]
        shortest = min(len(curve) for curve in every)
        times = [sample.time_s for sample in matches[0].bots[0].samples][:shortest]
        unit_s = hours(axes, matches[0].duration_s, is_small=True)
        for curve in every:
            t, y = thinned(times, curve[:shortest])
            axes.plot([one / unit_s for one in t], y, color=PALE, linewidth=0.6)
        mean = [sum(at) / len(every) for at in zip(*(curve[:shortest] for curve in every), strict=True)]
        t, y = thinned(times, mean)
        axes.plot([one / unit_s for one in t], y, color=BLUE, linewidth=1.4)
        axes.axhline(0, color=DARK, linewidth=0.6)
        axes.set_title(name, parse_math=False)
        axes.yaxis.set_major_formatter(_NUMBERS)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        if axes.get_subplotspec() is not None and panels.index(axes) < len(names) - columns:
            axes.set_xlabel("")
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    drawn.supylabel("gain against holding [$]", fontsize=8.5)
    return picture(drawn)


def bot_in_match(match: Match, bot: BotResult, security_id: str) -> str:
    """Draw one bot in one match: the price with its trades, its gain, drawdown and inventory."""
    drawn, grid = mosaic(7.6, 3.1, [["price", "gain"], ["price", "fall"], ["price", "held"]], width_ratios=[1.35, 1])
    price, gain, fall, held = (grid[name] for name in ("price", "gain", "fall", "held"))
    unit_s = hours(price, match.duration_s)
    for axes in (gain, fall, held):
        hours(axes, match.duration_s, is_small=True)
    _price(price, match, security_id, unit_s)
    for side, marker, colour in (("buy", "^", BLUE), ("sell", "v", ORANGE)):
        fills = [fill for fill in bot.fills if fill.security_id == security_id and fill.side == side]
        price.scatter(
            [fill.time_s / unit_s for fill in fills],
            [fill.price_cents / 100 for fill in fills],
            s=9,
            marker=marker,
            color=colour,
            linewidths=0,
            alpha=0.7 if len(fills) < 2_000 else 0.35,
            label=f"{'bought' if side == 'buy' else 'sold'} ({len(fills):,})",
            zorder=3,
            rasterized=len(fills) > 400,
        )
    _legend_above(price, 2)
    price.set_ylabel(f"{security_id} [$]")
    times = [sample.time_s / unit_s for sample in bot.samples]
    curve = gains_cents(match, bot)
    opening = worth(bot.opening_cash_cents, bot.opening, match.opening)
    t, y = thinned(times, [cents / 100 for cents in curve])
    gain.plot(t, y, color=BLUE)
    gain.axhline(0, color=DARK, linewidth=0.6)
    gain.set_ylabel("gain [$]")
    t, y = thinned(times, [-100 * one for one in drawdowns([opening + cents for cents in curve])])
    fall.fill_between(t, y, color=ORANGE, alpha=0.35, linewidth=0)
    fall.plot(t, y, color=ORANGE, linewidth=0.8)
    fall.set_ylabel("drawdown\n[%]")
    changes = inventory_of(match, bot)
    for place, name in enumerate(match.securities):
        t, y = thinned(times, [change[place] for change in changes])
        held.step(t, y, where="post", color=(BLUE, ORANGE, GREY)[place % 3], linewidth=1, label=name)
    held.axhline(0, color=DARK, linewidth=0.6)
    held.set_ylabel("inventory\n[shares]")
    if len(match.securities) > 1:
        _legend_above(held, len(match.securities))
    for axes in (gain, fall):
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)
    for axes in (gain, fall, held):
        axes.yaxis.set_major_formatter(_NUMBERS)
        axes.yaxis.set_major_locator(MaxNLocator(3))
    drawn.align_ylabels([gain, fall, held])
    return picture(drawn)


def _legend_above(axes: Axes, columns: int) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns, handletextpad=0.3, borderaxespad=0.1)


def market(matches: Sequence[Match], security_id: str) -> str:
    """Draw the price in all matches, and the spread and depth in the first one."""
    first = matches[0]
    drawn, (price, spread, depth) = figure(7.6, 3.9, 3, sharex=True, gridspec_kw={"height_ratios": [2.4, 1, 1]})
    unit_s = hours(depth, first.duration_s)
    for match in matches[1:]:
        t, y = thinned(*_middle(match, security_id))
        price.plot([one / unit_s for one in t], y, color=LIGHT, linewidth=0.7)
    _price(price, first, security_id, unit_s, matches[1:])
    price.set_ylabel(f"{security_id} [$]")
    samples = first.market[security_id]
    t, y, shares = averaged(
        [sample.time_s / unit_s for sample in samples],
        [
            float("nan")
            if sample.ask_cents is None or sample.bid_cents is None
            else sample.ask_cents - sample.bid_cents
            for sample in samples
        ],
        [sample.bid_quantity + sample.ask_quantity for sample in samples],
    )
    spread.plot(t, y, color=BLUE, linewidth=0.9)
    spread.set_ylabel("spread [¢]")
    depth.plot(t, shares, color=BLUE, linewidth=0.9)
    depth.set_ylabel("shares at\nbest prices")
    for axes in (price, spread):
        axes.set_xlabel("")
    for axes in (spread, depth):
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(3))
    drawn.align_ylabels()
    return picture(drawn)


def returns(markets: Sequence[Market]) -> str:
    """Draw the autocorrelation of returns and of their size, and their tail compared with a normal one."""
    drawn, (signed, size, tail) = figure(7.6, 2.5, 1, 3)
    noise = float(np.mean([one.noise for one in markets])) / sqrt(len(markets))
    for axes, rows, title in (
        (signed, [one.correlations for one in markets if one.correlations], "Returns"),
        (size, [one.size_correlations for one in markets if one.size_correlations], "Absolute returns"),
    ):
        if rows:
            mean = np.mean(rows, axis=0)
            axes.bar(range(1, len(mean) + 1), mean, color=BLUE, width=0.7)
        axes.axhspan(-noise, noise, color=LIGHT, alpha=0.6, linewidth=0, zorder=0)
        axes.axhline(0, color=DARK, linewidth=0.6)
        axes.set_title(title)
        axes.set_xlabel("lag")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    signed.set_ylabel("autocorrelation")
    pooled = np.sort(np.abs(np.concatenate([np.array(one.returns) for one in markets])))[::-1]
    pooled = pooled[pooled > 0]
    if len(pooled):
        t, y = thinned(pooled.tolist(), (np.arange(1, len(pooled) + 1) / len(pooled)).tolist())
        tail.plot(t, y, ".", color=BLUE, markersize=3, label="here")
        grid = np.linspace(0.1, max(4.0, float(pooled[0])), 200)
        normal = np.array([_normal_tail(float(one)) for one in grid])
        tail.plot(grid[normal > 1e-6], normal[normal > 1e-6], color=GREY, label="normal")
        tail.set_xscale("log")
        tail.xaxis.set_major_formatter(_NUMBERS)
        tail.xaxis.set_minor_formatter(NullFormatter())
        tail.set_xlim(0.1, 1.3 * max(4.0, float(pooled[0])))
        tail.set_yscale("log")
        tail.set_ylim(0.5 / len(pooled), 1.5)
        tail.legend(loc="lower left")
    tail.set_title("Tail")
    tail.set_xlabel("size of a return [standard deviations]")
    tail.set_ylabel("fraction of larger returns")
    return picture(drawn)


def _normal_tail(size: float) -> float:
    return erfc(size / sqrt(2))


def _middle(match: Match, security_id: str) -> tuple[list[float], list[float]]:
    samples = match.market[security_id]
    return [sample.time_s for sample in samples], [middle_cents(sample) / 100 for sample in samples]


def _price(axes: Axes, match: Match, security_id: str, unit_s: float, others: Sequence[Match] = ()) -> None:
    """Draw the price of a match and its scheduled events."""
    t, y = thinned(*_middle(match, security_id))
    axes.plot([one / unit_s for one in t], y, color=DARK, linewidth=0.8, zorder=2)
    if limits := spread_of([value for one in (match, *others) for value in _middle(one, security_id)[1]]):
        axes.set_ylim(limits)
    texts: dict[float, list[str]] = {}
    for happened in match.happened:
        if happened.security_id == security_id:
            texts.setdefault(happened.time_s, []).append(happened.text)
    for time_s, labels in texts.items():
        axes.axvline(time_s / unit_s, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
        axes.annotate(
            ", ".join(labels),
            (time_s / unit_s, 0.98),
            xycoords=("data", "axes fraction"),
            rotation=90,
            fontsize=6.5,
            color=DARK,
            ha="right",
            va="top",
            zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
        )
