"""What a newer version of the program has published, past this one's validation."""

import json
from typing import Any

from sqlalchemy import Engine, text

STATEMENTS = (
    """
    INSERT INTO promotion_version
        (company_id, promotion_id, version, definition, type, code, priority, rule_language,
         start_time, end_time, start_date, end_date, time_zone, author, comment)
    SELECT company_id, promotion_id, version + 1, newer, type, code, coalesce((newer->>'priority')::int, 0),
           coalesce((newer->>'rule_language')::int, 0), start_time, end_time,
           (newer#>>'{schedule,start_date}')::date, (newer#>>'{schedule,end_date}')::date, time_zone,
           author, comment
    FROM promotion_version, LATERAL (SELECT definition || CAST(:part AS jsonb)) AS changed (newer)
    WHERE (company_id, promotion_id) = (:company, :promotion)
    ORDER BY version DESC LIMIT 1
    """,
    "UPDATE revision_head SET revision = revision + 1 WHERE company_id = :company",
    """
    INSERT INTO revision (company_id, revision, action, author, comment)
    SELECT company_id, revision, 'publish', 'a newer program', ''
    FROM revision_head WHERE company_id = :company
    """,
    """
    INSERT INTO change_log (company_id, promotion_id, revision, change, version)
    SELECT company_id, promotion_id, revision_head.revision, 'publish', version
    FROM promotion_version JOIN revision_head USING (company_id)
    WHERE (company_id, promotion_id) = (:company, :promotion)
    ORDER BY version DESC LIMIT 1
    """,
)


def publish_as_newer(
    database: Engine, promotion_id: str, part: dict[str, Any], company_id: str = "kopi"
) -> int:
    """The next revision, in which the definition of a promotion has other parts; the revision's number."""
    known = {"company": company_id, "promotion": promotion_id, "part": json.dumps(part)}
    with database.begin() as connection:
        for statement in STATEMENTS:
            connection.execute(text(statement), known)
        head = "SELECT revision FROM revision_head WHERE company_id = :company"
        return int(connection.execute(text(head), known).scalar_one())
