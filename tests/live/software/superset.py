"""Superset from PyPI, on SQLite: dashboards, charts, datasets, and the queries that people ran and saved."""

from plumbing import *

VERSION = "6.1.0"
EMPTY = CACHE / "superset" / "empty.db"
PASSWORD = "correct horse"
CONFIG = """
SECRET_KEY = "live, and longer than the thirty-two bytes that are asked for"
SQLALCHEMY_DATABASE_URI = "sqlite:///{database}"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
PREVENT_UNSAFE_DB_CONNECTIONS = False
RATELIMIT_ENABLED = False
FEATURE_FLAGS = {{"ALERT_REPORTS": True}}
"""


def variables(folder, database):
    config = folder / "superset_config.py"
    config.write_text(CONFIG.format(database=database))
    return {"SUPERSET_CONFIG_PATH": str(config), "SUPERSET_HOME": str(folder), "FLASK_APP": "superset.app:create_app()"}


def install():
    debian("faketime")
    # It needs rich and cachetools, and does not ask for them; a later cache gives an argument that it does not know.
    tools = venv("superset", f"apache-superset=={VERSION}", "rich==15.0.0", "flask-caching==2.3.1", "cachetools==8.0.0")
    with only_one("superset-empty"):
        if not EMPTY.is_file():
            # Its tables and permissions take minutes to make; they are made once.
            making = EMPTY.with_name("making.db")
            making.unlink(missing_ok=True)
            how = {"env": {**os.environ, **variables(EMPTY.parent, making)}}
            run([tools / "superset", "db", "upgrade"], **how)
            person = ["--username", "admin", "--firstname", "Ada", "--lastname", "Lin", "--email", "admin@example.com", "--password", PASSWORD]
            run([tools / "superset", "fab", "create-admin", *person], **how)
            run([tools / "superset", "init"], **how)
            making.rename(EMPTY)
    return f"Superset {VERSION}"


def serve():
    shutil.copy(EMPTY, WORK / "superset.db")
    with contextlib.closing(sqlite3.connect(WORK / "sales.db")) as connection:
        for n in range(106):
            connection.execute(f"create table sales_{n} (id integer primary key, amount real)")
        connection.commit()
    start(
        [CACHE / "superset/venv/bin/superset", "run", "-h", "127.0.0.1", "-p", PORT, "--with-threads"],
        env=variables(WORK, WORK / "superset.db"),
    )


def call(method, path, body=None):
    return http(method, f"/api/v1{path}", body, headers={"Authorization": f"Bearer {kept()['token']}"})


def log_in():
    person = {"username": "admin", "password": PASSWORD, "provider": "db", "refresh": False}
    keep(token=http("POST", "/api/v1/security/login", person)["access_token"])


def fill():
    wait_for("/health")
    log_in()
    database = call("POST", "/database/", {"database_name": "Läden", "sqlalchemy_uri": f"sqlite:///{WORK}/sales.db", "expose_in_sqllab": True})["id"]
    # More of each than a page holds.
    datasets = [call("POST", "/dataset/", {"database": database, "table_name": f"sales_{n}"})["id"] for n in range(103)]
    charts = [
        call("POST", "/chart/", {"slice_name": f"Umsätze {n}", "viz_type": "table", "datasource_id": datasets[n % 7], "datasource_type": "table", "params": "{}"})["id"]
        for n in range(104)
    ]
    dashboards = [call("POST", "/dashboard/", {"dashboard_title": f"Läden {n}", "slug": f"shops-{n}", "published": n % 2 == 0})["id"] for n in range(102)]
    saved = [call("POST", "/saved_query/", {"db_id": database, "label": f"Abfrage {n}", "sql": f"select {n}", "description": "…"})["id"] for n in range(101)]
    for n in range(5):
        ask(database, n)
    reports = [call("POST", "/report/", report(n, charts[n]))["id"] for n in range(8)]
    keep(database=database, datasets=datasets, charts=charts, dashboards=dashboards, saved=saved, reports=reports)


def ask(database, n):
    body = {"database_id": database, "sql": f"select count(*) as n from sales_{n}", "client_id": f"live{n}", "tab": "Läden", "runAsync": False}
    call("POST", "/sqllab/execute/", body)


def report(n, chart):
    recipients = [{"type": "Email", "recipient_config_json": {"target": "people@example.com"}}]
    return {"type": "Report", "name": f"Woche {n}", "crontab": "0 9 * * 1", "chart": chart, "creation_method": "alerts_reports", "recipients": recipients, "active": False}


def source():
    settings = {"origin": f"http://127.0.0.1:{PORT}", "username": "admin", "password": "env:SUPERSET_PASSWORD"}
    return {"connector": "superset", "settings": settings, "variables": {"SUPERSET_PASSWORD": PASSWORD}}


def change():
    log_in()
    made = kept()
    call("PUT", f"/dashboard/{made['dashboards'][3]}", {"dashboard_title": "Alle Läden", "published": True})
    call("DELETE", f"/dashboard/{made['dashboards'][101]}")
    call("POST", "/dashboard/", {"dashboard_title": "Neu"})
    call("PUT", f"/chart/{made['charts'][50]}", {"slice_name": "Gewinn"})
    call("DELETE", f"/chart/{made['charts'][103]}")
    call("POST", "/dataset/", {"database": made["database"], "table_name": "sales_105"})
    call("PUT", f"/saved_query/{made['saved'][0]}", {"label": "Anders"})
    call("DELETE", f"/saved_query/{made['saved'][1]}")
    call("DELETE", f"/report/{made['reports'][2]}")
    ask(made["database"], 77)
    call("PUT", f"/database/{made['database']}", {"allow_ctas": True})


def truth():
    def database(columns, query):
        return sqlite(WORK / "superset.db", columns, query)

    at = lambda column: f"replace({column}, ' ', 'T') || 'Z'"
    yes = lambda column: f"case {column} when 1 then 'true' else 'false' end"
    return {
        "dashboards": database(
            "id dashboard_title slug published changed_on_utc", f"select id, dashboard_title, slug, {yes('published')}, {at('changed_on')} from dashboards"
        ),
        "charts": database(
            "id slice_name viz_type datasource_id datasource_type changed_on_utc",
            f"select id, slice_name, viz_type, datasource_id, datasource_type, {at('changed_on')} from slices",
        ),
        "datasets": database(
            "id table_name schema database_id database_name changed_on_utc",
            f"select t.id, t.table_name, t.schema, t.database_id, d.database_name, {at('t.changed_on')} from tables t join dbs d on d.id = t.database_id",
        ),
        "databases": database(
            "id database_name expose_in_sqllab allow_ctas changed_on",
            f"select id, database_name, {yes('expose_in_sqllab')}, {yes('allow_ctas')}, {at('changed_on')} from dbs",
        ),
        "saved_queries": database("id label description sql db_id", "select id, label, description, sql, db_id from saved_query"),
        "queries": database("id status sql tab_name rows", "select id, status, sql, tab_name, rows from query"),
        "reports": database("id name type crontab active", f"select id, name, type, crontab, {yes('active')} from report_schedule"),
    }
