"""What the database enforces by itself, in the dialect of each."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op


def forbid_changes(table: str) -> None:
    """Make a table append-only."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def refuse(table: str, name: str, change: str, when: str, message: str) -> None:
    """Refuse a change (INSERT, UPDATE or DELETE) of a row when an SQL condition on NEW or OLD holds."""
    if op.get_context().dialect.name == "postgresql":
        row = "OLD" if change == "DELETE" else "NEW"
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN IF {when} THEN RAISE EXCEPTION '{message}'; END IF; RETURN {row}; END $$"
        )
        op.execute(f"CREATE TRIGGER {name} BEFORE {change} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
        return
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {change} ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )


def keep_rows(table: str, message: str) -> None:
    """Refuse to delete a row, or to empty the table at a stroke."""
    if op.get_context().dialect.name != "postgresql":
        refuse(table, f"{table}_stay", "DELETE", "TRUE", message)
        return
    op.execute(
        f"CREATE FUNCTION {table}_stay() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_stay BEFORE DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_stay()"
    )


def allow_blanking(table: str, texts: Sequence[str], others: Sequence[str]) -> None:
    """Let an update of an append-only table empty its texts, and change nothing else of a row.

    That is how personal data leaves a story that itself stays.
    """
    postgresql = op.get_context().dialect.name == "postgresql"
    distinct = "IS DISTINCT FROM" if postgresql else "IS NOT"
    changed = [f"NEW.{column} {distinct} OLD.{column}" for column in others]
    written = [f"(NEW.{column} {distinct} OLD.{column} AND NEW.{column} {distinct} '')" for column in texts]
    if postgresql:
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
        )
    else:
        op.execute(f"DROP TRIGGER {table}_no_update")
    refuse(table, f"{table}_stand", "UPDATE", " OR ".join(changed + written), f"{table} is append-only")
