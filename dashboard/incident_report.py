"""The incident report: one HTML file that stands alone, in which every text of others is escaped.

No script, no file beside it, nothing from the network; nobody's prompt or answer is in it. It reads the same on paper,
by day and by night.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from dashboard.change_words import action_words
from dashboard.queries.incident import WORST_BY, Incident
from dashboard.queries.window_figures import FigureMoved
from dashboard.report_svg import Mark, line_chart
from dashboard.wording import NOTHING, number, plural, signed
from lakehouse.ledger import Change

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #5b6775; --line: #d5dce3; --page: #fff; --blue: #2f78c4;
  --bad: #b3401d; --good: #0b7468; --warn: #a85a08; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #9aa7b4; --line: #37424e; --page: #12181f;
  --blue: #6aa9e9; --bad: #ef8a6a; --good: #4cc4b4; --warn: #f0a555; } }
* { box-sizing: border-box; }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p.soft, small, caption { color: var(--soft); } caption { text-align: left; padding-bottom: .3rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .8rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; min-width: 44rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); }
td { overflow-wrap: anywhere; min-width: 5.6rem; } td small { display: block; }
td code { font-size: .85em; }
.wide + .wide { margin-top: 1.4rem; }
td span { display: block; white-space: nowrap; color: var(--soft); }
td .better { color: var(--good); font-weight: 600; } td .worse { color: var(--bad); font-weight: 600; }
td .higher, td .lower { color: var(--blue); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; }
figure { margin: 0; break-inside: avoid; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--soft); }
svg .grid { stroke: var(--line); } svg .line { fill: none; stroke: var(--blue); stroke-width: 1.6; }
svg .dot { fill: var(--blue); } svg .change { stroke: var(--warn); stroke-dasharray: 3 3; }
svg .alert { stroke: var(--bad); }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; }
  tr { break-inside: avoid; } table { min-width: 0; } td { min-width: 0; } .wide { overflow: visible; } }
"""


@dataclass(frozen=True)
class ReportAbout:
    """Who made a report, when, and in which time zone its times are."""

    author: str
    role: str
    made_at: datetime
    zone: str


def report_html(incident: Incident, about: ReportAbout) -> str:
    """The whole report."""
    title = f"Incident report: {incident.endpoint}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p class="soft">{_at(incident.start, about.zone)} to {_at(incident.asked_end, about.zone)} ({escape(about.zone)})</p>
{_summary(incident, about)}
{_section("What changed", _CHANGED, _changes(incident.changes, about.zone, "Nothing was changed in this time."))}
{_section("What moved", _MOVED, _moved(incident))}
{_section("The time in lines", "Dashed: a change. Solid: an alert opened.", _charts(incident, about.zone))}
{_section("Alerts", "Alerts that were open in this time.", _alerts(incident, about.zone))}
{_section("Which requests", _REQUESTS, _worst(incident, about.zone))}
{_section("Which decisions", _DECIDED, _decisions(incident, about.zone))}
{_section("Where this comes from", _SOURCES, _tables(incident))}
</body>
</html>
"""


_CHANGED = "What was changed about what answers, oldest first."
_MOVED = (
    "Each figure of this time beside the same length before it, and beside the same hours a week before; the clearest "
    "first. Differences with 95 % intervals; of twenty comparisons about one is clear by chance alone."
)
_REQUESTS = (
    "The ten that stand out most by each measure, with the scores that they were first given; nobody's words and no "
    "requester are in here."
)
_DECIDED = "Decisions of people about versions and about flagged requests, as the ledger and the triage hold them."
_SOURCES = "Delta tables as they were read: with its version each can be read again, as long as it is kept."


def _section(title: str, about: str, content: str) -> str:
    return f'<section><h2>{escape(title)}</h2><p class="soft">{escape(about)}</p>{content}</section>'


def _summary(incident: Incident, about: ReportAbout) -> str:
    clear = [one for one in incident.figures if one.clearness > 1]
    as_of = "now" if incident.as_of is None else _at(incident.as_of, about.zone)
    scored = "all of it" if incident.end >= incident.asked_end else f"up to {_at(incident.end, about.zone)}"
    facts = {
        "Made by": escape(f"{about.author} ({about.role})"),
        "Made at": _at(about.made_at, about.zone),
        "Tables as of": as_of,
        "Scored": scored,
        "In short": f"{plural(len(incident.changes), 'change')}, {plural(len(incident.alerts), 'alert')}, "
        f"{number(len(clear))} of {plural(len(incident.figures), 'figure')} clearly moved.",
    }
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items()) + "</dl>"


def _changes(changes: Sequence[Change], zone: str, nothing: str) -> str:
    return _table(
        ("When", "What", "From → to", "Who", "Why", "Outcome"),
        [
            (
                _at(change.started_at, zone),
                f"{escape(action_words(change.action).title)} {escape(change.target)}"
                f"<small>{escape(change.change_id)}</small>",
                escape(" → ".join(value for value in (change.before, change.after) if value)),
                escape(f"{change.actor or 'unknown'}{f', {change.role}' if change.role else ''}"),
                escape(change.reason),
                escape(change.outcome or "running") + _error(change),
            )
            for change in changes
        ],
        nothing,
    )


def _error(change: Change) -> str:
    return f"<small>{escape(str(change.evidence['error']))}</small>" if change.evidence.get("error") else ""


def _moved(incident: Incident) -> str:
    return _table(
        ("Figure", "This time", "Before", "Difference", "A week before", "Difference"),
        [
            (
                f"{escape(one.figure.title)}<small>{escape(one.figure.unit)}"
                f"{f'; {escape(one.before.scorer)}' if one.before.scorer else ''}</small>",
                _value(one.before, one.before.moved.after, one.before.moved.n_after),
                _value(one.before, one.before.moved.before, one.before.moved.n_before),
                _difference(one.before),
                NOTHING if one.week is None else _value(one.week, one.week.moved.before, one.week.moved.n_before),
                NOTHING if one.week is None else _difference(one.week),
            )
            for one in incident.figures
        ],
        "Nothing was measured in this time.",
    )


def _value(found: FigureMoved, value: float, n: int) -> str:
    return f"{number(value, found.figure.decimals)}<small>n {number(n)}</small>" if n else NOTHING


def _difference(found: FigureMoved) -> str:
    moved, digits, word = found.moved, found.figure.decimals, found.verdict
    interval = ""
    if moved.low is not None and moved.high is not None:
        interval = f"<small>{signed(moved.low, digits)} to {signed(moved.high, digits)}</small>"
    return f'{signed(moved.difference, digits)}{interval}<span class="{word.split()[0]}">{word}</span>'


def _charts(incident: Incident, zone: str) -> str:
    shown, times = incident.traffic, [int(time) for time in incident.traffic.times]
    marks = [
        *(
            Mark(round(change.started_at.timestamp() * 1000), "change", action_words(change.action).title)
            for change in incident.changes
        ),
        *(Mark(round(alert.opened_at.timestamp() * 1000), "alert", alert.sentence) for alert in incident.alerts),
    ]
    lines = (
        ("Requests", "in each point", shown.requests.values),
        ("Errors", "% of requests", shown.error_share.values * 100),
        ("Latency, p95", "ms", shown.latency_p95.values),
        ("Toxicity flags of answers", "% of answers", shown.flagged_answers.values * 100),
    )
    drawn = [
        f"<figure><figcaption>{escape(title)} <small>{escape(unit)}</small></figcaption>"
        f"{line_chart(title, unit, times, [float(value) for value in values], zone, marks)}</figure>"
        for title, unit, values in lines
    ]
    return f'<div class="charts">{"".join(drawn)}</div>'


def _alerts(incident: Incident, zone: str) -> str:
    return _table(
        ("Opened", "Closed", "Version", "What"),
        [
            (
                _at(alert.opened_at, zone),
                _at(alert.closed_at, zone) if alert.closed_at else "still open",
                escape(f"{alert.entity_name} v{alert.entity_version}"),
                escape(alert.sentence)
                + (f"<small>{escape(str(alert.evidence['closed']))}</small>" if alert.evidence.get("closed") else ""),
            )
            for alert in incident.alerts
        ],
        "No alert was open in this time.",
    )


def _worst(incident: Incident, zone: str) -> str:
    parts = []
    for key, (title, _) in WORST_BY.items():
        rows = incident.worst[key]
        of = f" ({len(rows)} of {number(incident.totals[key])})" if rows else ""
        parts.append(
            _table(
                ("Time", "Request", "Version", "Status", "Latency, ms", "Toxicity", "Perplexity", "Grade"),
                [_request(row, zone) for row in rows],
                f"{title}: no request.",
                f"{title}{of}",
            )
        )
    return "".join(parts)


def _request(row: dict[str, Any], zone: str) -> tuple[str, ...]:
    return (
        _at(row["request_time"], zone),
        f"<code>{escape(str(row['databricks_request_id']))}</code>",
        escape(f"v{row['entity_version']}") if row["entity_version"] else NOTHING,
        number(row["status_code"]),
        number(row["execution_duration_ms"]),
        number(row["response_toxicity"], 3),
        number(row["response_perplexity"], 1),
        number(row["response_fk_grade"], 1),
    )


def _decisions(incident: Incident, zone: str) -> str:
    flags = _table(
        ("When", "Request", "Decision", "Label", "Who"),
        [
            (
                _at(flag.time, zone),
                f"<code>{escape(flag.request_id)}</code>",
                *(escape(text) for text in (flag.decision, flag.label, flag.actor)),
            )
            for flag in incident.flags
        ],
        "",
        "Flags that were decided about",
    )
    nothing = "" if incident.flags else "Nothing was decided in this time."
    return _changes(incident.decisions, zone, nothing) + flags


def _tables(incident: Incident) -> str:
    return _table(
        ("Table", "Version", "Table id"),
        [
            (escape(read.name), str(read.version) if read.version >= 0 else "not there", escape(read.table_id))
            for read in incident.tables
        ],
        "",
    )


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], nothing: str, caption: str = "") -> str:
    """Cells are HTML already: every text of others in them has to be escaped."""
    if not rows:
        return f"<p>{escape(nothing)}</p>" if nothing else ""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table>{told}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _at(time: datetime, zone: str) -> str:
    return f"{time.astimezone(ZoneInfo(zone)):%d %b %Y, %H:%M:%S}"
