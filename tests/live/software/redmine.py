"""Redmine from Debian, on SQLite: projects, issues with their history, and time spent."""

from plumbing import *

HOME = Path("/usr/share/redmine")
EMPTY = CACHE / "redmine" / "empty.db"
KEY = "0123456789abcdef0123456789abcdef01234567"
PREPARE = f"""
Setting.rest_api_enabled = 1
Setting.notified_events = []
Token.where(action: 'api').delete_all
Token.create!(user: User.find_by(login: 'admin'), action: 'api').update_column(:value, '{KEY}')
"""


def variables(database):
    return {
        "RAILS_ENV": "production",
        "DATABASE_URL": f"sqlite3:{database}",
        "SECRET_KEY_BASE": "live",
        "REDMINE_LANG": "en",
        "SCHEMA": str(database) + ".schema.rb",
    }


def install():
    debian("redmine", "redmine-sqlite", "puma", "faketime")
    version = debian_version("redmine")
    made = EMPTY.with_name("version.txt")
    with only_one("redmine"):
        if not made.is_file() or made.read_text() != version:
            EMPTY.parent.mkdir(exist_ok=True)
            EMPTY.unlink(missing_ok=True)
            how = {"cwd": HOME, "env": {**os.environ, **variables(EMPTY)}}
            # Two processes: the second must see what the first made of the tables.
            run(["rake", "db:migrate"], **how)
            run(["rake", "redmine:load_default_data"], **how)
            run(["bin/rails", "runner", PREPARE], **how)
            made.write_text(version)
    return f"Redmine {version}"


def serve():
    database = WORK / "redmine.db"
    shutil.copy(EMPTY, database)
    start(["puma", "-e", "production", "-b", f"tcp://127.0.0.1:{PORT}", "-t", "1:2", "config.ru"], env=variables(database), cwd=HOME)


def call(method, path, body=None):
    return http(method, path, body, headers={"X-Redmine-API-Key": KEY})


def fill():
    wait_for("/issue_statuses.json", headers={"X-Redmine-API-Key": KEY})
    projects = [
        call("POST", "/projects.json", {"project": {"name": f"Shop {n}", "identifier": f"shop-{n}"}})["project"]["id"] for n in range(3)
    ]
    users = [
        call(
            "POST",
            "/users.json",
            {"user": {"login": f"user{n}", "firstname": "Zoë", "lastname": f"N{n}", "mail": f"u{n}@example.com", "password": "a long word"}},
        )["user"]["id"]
        for n in range(4)
    ]
    for project in projects:
        call("POST", f"/projects/{project}/versions.json", {"version": {"name": f"1.{project}", "due_date": "2026-12-24"}})
        call("POST", f"/projects/{project}/memberships.json", {"membership": {"user_id": users[0], "role_ids": [3, 4]}})
    issues = [
        call(
            "POST",
            "/issues.json",
            {"issue": {"project_id": projects[n % 3], "subject": f"Ärger {n}", "tracker_id": 1 + n % 3, "estimated_hours": n % 5}},
        )["issue"]["id"]
        for n in range(110)
    ]
    for issue in issues[:10]:
        call("PUT", f"/issues/{issue}.json", {"issue": {"notes": "seen", "status_id": 2}})
    for n in range(12):
        call("POST", "/time_entries.json", {"time_entry": {"issue_id": issues[n], "hours": 0.25 + n, "activity_id": 8, "spent_on": "2026-11-01"}})
    keep(projects=projects, users=users, issues=issues)


def source():
    return {
        "connector": "redmine",
        "settings": {"origin": f"http://127.0.0.1:{PORT}", "api_key": "env:REDMINE_KEY", "start_on": days_ago(10)},
        "variables": {"REDMINE_KEY": KEY},
    }


def change():
    now = kept()
    for n in range(5):
        call("POST", "/issues.json", {"issue": {"project_id": now["projects"][0], "subject": f"New {n}"}})
    for issue in now["issues"][20:26]:
        call("PUT", f"/issues/{issue}.json", {"issue": {"notes": "moved", "priority_id": 4, "subject": "Moved"}})
    for issue in now["issues"][34:37]:
        call("DELETE", f"/issues/{issue}.json")
    call("PUT", f"/projects/{now['projects'][1]}.json", {"project": {"description": "The second"}})
    call("POST", "/time_entries.json", {"time_entry": {"issue_id": now["issues"][30], "hours": 2, "activity_id": 9, "spent_on": "2026-11-02"}})
    call("DELETE", "/time_entries/3.json")


def truth():
    def rows(columns, of, **renamed):
        def taken(name):
            name = renamed.get(name, name)
            return f"substr({name}, 1, 10) || 'T' || substr({name}, 12, 8) || 'Z'" if name.endswith("d_on") and "." in name else name

        return sqlite(WORK / "redmine.db", columns, f"select {', '.join(taken(name) for name in columns.split())} from {of}")

    times = {"created_on": "t.created_on", "updated_on": "t.updated_on", "closed_on": "t.closed_on"}
    private = "case t.is_private when 1 then 'true' else 'false' end"
    return {
        "issues": rows(
            "id subject project_id tracker_id status_id priority_id author_id done_ratio estimated_hours is_private created_on updated_on closed_on",
            "issues t",
            **times,
            is_private=private,
        ),
        "issue_journals": rows("issue_id id user_id notes created_on", "journals t", issue_id="journalized_id", **times),
        "projects": rows("id name identifier description status created_on updated_on", "projects t", **times),
        "versions": rows("id project_id name status due_date sharing", "versions", due_date="effective_date"),
        "memberships": rows("id project_id user_id", "members"),
        "time_entries": rows("id project_id issue_id user_id activity_id hours spent_on created_on updated_on", "time_entries t", **times),
        "users": rows(
            "id login firstname lastname mail created_on",
            "users t join email_addresses e on e.user_id = t.id and e.is_default = 1 where t.status = 1",
            id="t.id",
            mail="e.address",
            **times,
        ),
        "trackers": rows("id name default_status_id", "trackers"),
        "issue_statuses": rows("id name is_closed", "issue_statuses", is_closed="case is_closed when 1 then 'true' else 'false' end"),
        "issue_priorities": rows(
            "id name is_default active",
            "enumerations where type = 'IssuePriority'",
            is_default="case is_default when 1 then 'true' else 'false' end",
            active="case active when 1 then 'true' else 'false' end",
        ),
    }
