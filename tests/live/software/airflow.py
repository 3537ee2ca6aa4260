"""Airflow 2 from PyPI, on SQLite: DAGs, their runs and tasks, what people did, pools, connections, datasets."""

import base64

from plumbing import *

VERSION = "2.11.2"
EMPTY = CACHE / "airflow" / "empty.db"
DAG = """
from datetime import datetime
from airflow import DAG
from airflow.datasets import Dataset
from airflow.operators.empty import EmptyOperator
for name in ("orders", "returns"):
    with DAG(f"load_{name}", start_date=datetime(2026, 1, 1), schedule="@daily", catchup=False, tags=["live"], is_paused_upon_creation=True) as dag:
        EmptyOperator(task_id="extract") >> EmptyOperator(task_id="load", outlets=[Dataset(f"s3://shop/{name}")])
    globals()[name] = dag
"""
# Runs as the scheduler leaves them, made by Airflow's own models.
RUNS = """
import sys, json
from datetime import timedelta
from airflow.models import DagBag
from airflow.models.errors import ParseImportError
from airflow.utils import timezone
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunType
first, count = int(sys.argv[1]), int(sys.argv[2])
bag, now = DagBag(read_dags_from_db=True), timezone.utcnow()
with create_session() as session:
    for n in range(first, first + count):
        dag = bag.get_dag(("load_orders", "load_returns")[n % 2], session=session)
        at = now - timedelta(minutes=7 * (n - first) + 5)
        state = DagRunState.FAILED if n % 5 == 0 else DagRunState.SUCCESS
        run = dag.create_dagrun(
            run_type=DagRunType.MANUAL, execution_date=at, start_date=at, state=state, data_interval=(at, at), session=session
        )
        run.end_date = at + timedelta(minutes=2)
        for task in run.get_task_instances(session=session):
            task.state, task.start_date, task.end_date = TaskInstanceState.SUCCESS, at, at + timedelta(minutes=1)
            task.duration = 60.0
    session.add(ParseImportError(filename=f"/dags/broken-{first}.py", stacktrace="SyntaxError", timestamp=now))
"""


def variables(database):
    return {
        "AIRFLOW_HOME": str(WORK),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(WORK / "dags"),
        "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.basic_auth",
        "AIRFLOW__WEBSERVER__WORKERS": "1",
        "AIRFLOW__WEBSERVER__SECRET_KEY": "live",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(b"0" * 32).decode(),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PATH": f"{CACHE}/airflow/venv/bin:{os.environ['PATH']}",
    }


def tool(database, *command, moved=True):
    run([CACHE / "airflow/venv/bin" / command[0], *command[1:]], env={**os.environ, **(on_our_clock() if moved else {}), **variables(database)})


def install():
    debian("faketime")
    venv("airflow", f"apache-airflow=={VERSION}")
    with only_one("airflow-empty"):
        if not EMPTY.is_file():
            making = EMPTY.with_name("making.db")
            making.unlink(missing_ok=True)
            tool(making, "airflow", "db", "migrate", moved=False)
            person = ["-u", "admin", "-p", "correct horse", "-r", "Admin", "-e", "admin@example.com", "-f", "Ada", "-l", "Lin"]
            tool(making, "airflow", "users", "create", *person, moved=False)
            making.rename(EMPTY)
    return f"Airflow {VERSION}"


def serve():
    shutil.copy(EMPTY, WORK / "airflow.db")
    (WORK / "dags").mkdir()
    (WORK / "dags/load.py").write_text(DAG)
    (WORK / "runs.py").write_text(RUNS)
    tool(WORK / "airflow.db", "airflow", "dags", "reserialize")
    # Without the command that watches over it: what that sleeps for is not understood by a moved clock.
    start(
        [CACHE / "airflow/venv/bin/gunicorn", "-w", "1", "-b", f"127.0.0.1:{PORT}", "--timeout", "300", "airflow.www.app:cached_app()"],
        env=variables(WORK / "airflow.db"),
    )


def call(method, path, body=None):
    return http(method, f"/api/v1{path}", body, headers={"Authorization": "Basic " + base64.b64encode(b"admin:correct horse").decode()})


def fill():
    wait_for("/api/v1/health")
    # Enough that the one which is deleted later is no great share.
    for n in range(8):
        call("POST", "/pools", {"name": f"pool {n}", "slots": n + 1})
        call("POST", "/connections", {"connection_id": f"shop_{n}", "conn_type": "http", "host": "shop.example.com", "password": "secret"})
    # More than a page holds, of two DAGs.
    tool(WORK / "airflow.db", "python", WORK / "runs.py", "0", "220")


def source():
    return {
        "connector": "airflow",
        "settings": {"origin": f"http://127.0.0.1:{PORT}", "username": "admin", "password": "env:AIRFLOW_PASSWORD", "start_on": days_ago(10)},
        "variables": {"AIRFLOW_PASSWORD": "correct horse"},
    }


def change():
    tool(WORK / "airflow.db", "python", WORK / "runs.py", "1000", "12")
    call("PATCH", "/dags/load_orders", {"is_paused": False})
    call("DELETE", "/connections/shop_2")
    call("PATCH", "/pools/pool%201", {"name": "pool 1", "slots": 9})
    run_id = database("r", "select run_id from dag_run where dag_id = 'load_orders' and state = 'failed' limit 1")["rows"][0][0]
    call("PATCH", f"/dags/load_orders/dagRuns/{urllib.parse.quote(run_id)}", {"state": "success"})


def database(columns, query):
    return sqlite(WORK / "airflow.db", columns, query)


def truth():
    at = lambda column: f"replace(substr({column}, 1, 26), ' ', 'T') || 'Z' as {column}"
    yes = lambda column: f"case {column} when 1 then 'true' else 'false' end as {column}"
    return {
        "dags": database("dag_id fileloc is_paused is_active max_active_runs", f"select dag_id, fileloc, {yes('is_paused')}, {yes('is_active')}, max_active_runs from dag"),
        "dag_runs": database("dag_id dag_run_id state run_type start_date end_date", f"select dag_id, run_id, state, run_type, {at('start_date')}, {at('end_date')} from dag_run"),
        "task_instances": database(
            "dag_id dag_run_id task_id map_index state operator start_date duration try_number",
            f"select dag_id, run_id, task_id, map_index, state, operator, {at('start_date')}, duration, try_number from task_instance",
        ),
        "event_logs": database("event_log_id when event dag_id owner", f"select id, {at('dttm')}, event, dag_id, owner from log"),
        "import_errors": database("import_error_id filename stack_trace timestamp", f"select id, filename, stacktrace, {at('timestamp')} from import_error"),
        "datasets": database("id uri created_at updated_at", f"select id, uri, {at('created_at')}, {at('updated_at')} from dataset"),
        "pools": database("name slots description", "select pool, slots, description from slot_pool"),
        "connections": database("connection_id conn_type host port", "select conn_id, conn_type, host, port from connection"),
    }
