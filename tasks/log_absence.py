"""Deleting the objects of a purge, and proving that nothing of them is left: versions, delete markers, strays.

Objects are deleted by the ledger's manifest and then looked for in the archive's own list, folder by folder, so that
also goes what the ledger does not know: older versions, markers, objects of a packing that was killed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.clients.objects import Version
from blocks.errors import NotFound
from blocks.ledger import LogPeriod, LogPurge, LogSegment, PurgeState, one_at_a_time, reading, transaction
from blocks.office import Office
from blocks.terms.retention_views import Absence
from tasks.log_journal import note_log
from tasks.notices import queue_operator_notice
from tasks.numbering import by_number
from tasks.object_store import recognise

Tell = Callable[[str, int], None]
"""What is being done, and how much of all is done, in percent."""
Clock = Callable[[], datetime]
_BATCH = 1000
_ROUNDS = 3
_SAMPLE = 32
_NAMED = 10


@dataclass
class _Found:
    """What the folders showed: versions and markers listed, strays among them, names that would not go, and why."""

    listed: int = 0
    strays: int = 0
    left: list[str] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)


def folders_of(keys: Sequence[str]) -> list[str]:
    """The folders of the archive in which the segments under those keys lie, each once."""
    return list(dict.fromkeys(map(_folder_of, keys)))


def _folder_of(key: str) -> str:
    return "logs/" + "/".join(key.split("/")[1:3]) + "/"


def delete(office: Office, number: str, *, clock: Clock, tell: Tell) -> tuple[Absence | None, str]:
    """Delete the objects of a purge whose keys are destroyed and look for what is left.

    Either the proof of absence, or what stands against it. Raises Transient, also where the store is not the one in
    which the segments lay: there, everything seems to be gone.
    """
    recognise(office)
    with reading(office.sessions) as session:
        purge = by_number(session, LogPurge, number)
        keys = list(purge.keys)
        mine = _manifest(session, purge)
        others = {folder: _living(session, purge, folder) for folder in folders_of(keys)}
    found = _Found(why=_by_manifest(office, mine, clock, tell))
    manifest = set(mine)
    for count, (folder, living) in enumerate(others.items(), 1):
        _sweep(office, folder, found, living=living.keys(), manifest=manifest, clock=clock)
        if count == len(others) or not count % 50:
            tell(f"{count} of {len(others)} folders read back", 50 + 45 * count // len(others))
    if not found.left:
        _note_deleted(office, number, clock())
    return _verdict(office, keys, mine, found, others=others, clock=clock)


def _manifest(session: Session, purge: LogPurge) -> list[Version]:
    rows = session.execute(
        select(LogSegment.name, LogSegment.version).where(LogSegment.purge_id == purge.id).order_by(LogSegment.id)
    )
    return [Version(name, version) for name, version in rows]


def _living(session: Session, purge: LogPurge, folder: str) -> dict[str, str]:
    """The segments of a folder that are not this purge's: held ones, and those of a purge that goes on.

    Each with the name of its partition's own key.
    """
    _, classes, day, _ = folder.split("/")
    of_another = LogSegment.purge_id.is_(None) | (LogSegment.purge_id != purge.id)
    rows = session.execute(
        select(LogSegment.name, LogSegment.project)
        .join(LogPeriod, LogPeriod.id == LogSegment.period_id)
        .where(LogPeriod.classes == classes, LogPeriod.day == date.fromisoformat(day))
        .where(LogSegment.gone_at.is_(None), of_another)
    )
    return {name: f"held/{classes}/{day}/{project}" for name, project in rows}


def _batches(versions: Sequence[Version]) -> Iterator[list[Version]]:
    items = iter(versions)
    while batch := list(islice(items, _BATCH)):
        yield batch


def _by_manifest(office: Office, mine: Sequence[Version], clock: Clock, tell: Tell) -> dict[str, str]:
    why: dict[str, str] = {}
    done = 0
    for batch in _batches(mine):
        why |= office.objects.destroy(batch, now=clock())
        done += len(batch)
        tell(f"{done} of {len(mine)} segments deleted", 50 * done // len(mine))
    return why


def _sweep(
    office: Office, folder: str, found: _Found, *, living: Collection[str], manifest: set[Version], clock: Clock
) -> None:
    """List a folder until nothing but living segments is in it, deleting the rest; a few times at most."""
    for attempt in range(_ROUNDS + 1):
        left = [one for one in office.objects.versions(folder) if one.name not in living]
        if not left:
            return
        if attempt == 0:
            found.listed += len(left)
            found.strays += sum(one not in manifest for one in left)
        if attempt < _ROUNDS:
            for batch in _batches(left):
                found.why |= office.objects.destroy(batch, now=clock())
    found.left += [one.name for one in left]


def _note_deleted(office: Office, number: str, now: datetime) -> None:
    with transaction(office.sessions) as session:
        purge = by_number(session, LogPurge, number, lock=True)
        if purge.state is PurgeState.KEYS_DESTROYED:
            purge.state, purge.deleted_at = PurgeState.DELETED, now


def _verdict(
    office: Office,
    keys: Sequence[str],
    mine: Sequence[Version],
    found: _Found,
    *,
    others: Mapping[str, Mapping[str, str]],
    clock: Clock,
) -> tuple[Absence | None, str]:
    """Ask for samples by name and for the keys; then the proof, or what stands against it.

    Under the destroyed folders no key may be left but those of partitions that live on.
    """
    wrong = []
    if found.left:
        named = sorted(set(found.left))[:_NAMED]
        told = "; ".join(f"{name}: {found.why.get(name, 'it is listed again')}" for name in named)
        wrong.append(f"{len(found.left)} versions remain, of {len(mine)} segments ({told})")
    sampled = mine[:: max(1, len(mine) // _SAMPLE)]
    if answered := [one.name for one in sampled if _answers(office, one.name)]:
        wrong.append(f"{len(answered)} of {len(sampled)} asked for by name still answer ({answered[0]})")
    alive = set(office.keys.names("period/")) | set(office.keys.names("held/"))
    copies, copied = office.keys.copied_names()
    needed = {key for living in others.values() for key in living.values()}
    for where, names in (("the key store", alive), ("its copies", copied)):
        if still := sorted(key for key in names - needed if _folder_of(key) in others):
            wrong.append(f"{len(still)} keys are still in {where} ({still[0]})")
    recognise(office)
    if wrong:
        return None, ". ".join(wrong)
    proof = Absence(
        checked_at=clock(),
        folders=len(others),
        listed=found.listed,
        strays=found.strays,
        sampled=len(sampled),
        keys=len(keys),
        copies=copies,
    )
    return proof, ""


def _answers(office: Office, name: str) -> bool:
    try:
        office.objects.get(name)
    except NotFound:
        return False
    return True


def note_incident(office: Office, number: str, what: str, *, now: datetime) -> None:
    """Note that a purge could not be proven: the journal and the operator hear of each state of affairs once."""
    with transaction(office.sessions) as session:
        one_at_a_time(session, "log purge")
        purge = by_number(session, LogPurge, number, lock=True)
        if purge.state is PurgeState.PROVEN or purge.incident == what:
            return
        purge.incident = what
        line = note_log(session, kind="incident", about=number, who=purge.executor, facts={"what": what}, now=now)
        queue_operator_notice(
            session,
            kind="log_purge_incident",
            key=f"log_purge_incident:{number}:{line.id}",
            operator=office.settings.operator_email,
            facts={"number": number, "what": what},
            now=now,
        )
