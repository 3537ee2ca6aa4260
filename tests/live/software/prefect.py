"""Prefect from PyPI, on SQLite: flows, deployments, runs in many states, and what they logged."""

from plumbing import *

VERSION = "3.8.5"


def install():
    debian("faketime")
    # Newer releases of FastAPI no longer know an argument that this release of Prefect gives.
    venv("prefect", f"prefect=={VERSION}", "fastapi==0.139.0")
    return f"Prefect {VERSION}"


def serve():
    variables = {
        "PREFECT_HOME": str(WORK),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{WORK}/prefect.db",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    # Without services: nobody marks a run as late between a reading and the look at the truth.
    start([CACHE / "prefect/venv/bin/prefect", "server", "start", "--host", "127.0.0.1", "--port", PORT, "--no-services"], env=variables)


def call(method, path, body=None):
    return http(method, f"/api{path}", body)


def flow_run(flow, n, deployment=None):
    state = ("COMPLETED", "FAILED", "RUNNING", "SCHEDULED")[n % 4]
    body = {"flow_id": flow, "name": f"run-{n}", "state": {"type": state}, "tags": [f"t{n % 3}"], "parameters": {"größe": n}}
    return call("POST", "/flow_runs/", {**body, **({"deployment_id": deployment} if deployment else {})})["id"]


def fill():
    wait_for("/api/health")
    flows = [call("POST", "/flows/", {"name": f"Zählung {n}", "tags": ["live"]})["id"] for n in range(3)]
    pool = call("POST", "/work_pools/", {"name": "here", "type": "process"})["name"]
    deployments = [
        call("POST", "/deployments/", {"name": f"daily {n}", "flow_id": flow, "work_pool_name": pool, "parameters": {"n": n}})["id"]
        for n, flow in enumerate(flows)
    ]
    # More runs, and more lines of theirs, than a page holds; the last ones log nothing.
    runs = [flow_run(flows[n % 3], n) for n in range(110)]
    tasks = [
        call("POST", "/task_runs/", {"flow_run_id": runs[n], "task_key": "count", "dynamic_key": str(n), "name": f"count-{n}", "state": {"type": "COMPLETED"}})["id"]
        for n in range(20)
    ]
    log(runs[:60], 0, 150)
    for n in range(2):
        call("POST", "/automations/", automation(n))
    for n in range(4):
        call("POST", "/artifacts/", {"key": f"table-{n}", "type": "markdown", "data": f"# {n}", "flow_run_id": runs[n]})
    keep(flows=flows, deployments=deployments, runs=runs, tasks=tasks)


def automation(n):
    trigger = {"type": "event", "posture": "Reactive", "expect": ["prefect.flow-run.Failed"], "threshold": 1 + n, "within": 0}
    return {"name": f"Alarm {n}", "description": "…", "enabled": True, "trigger": trigger, "actions": [{"type": "do-nothing"}]}


def log(runs, first, count):
    lines = [
        {
            "name": "prefect.flow_runs",
            "level": 20 + 10 * (n % 3),
            "message": f"Zeile {n}",
            "timestamp": (now() - timedelta(minutes=n)).isoformat(),
            "flow_run_id": runs[n % len(runs)],
        }
        for n in range(first, first + count)
    ]
    call("POST", "/logs/", lines)


def source():
    return {"connector": "prefect", "settings": {"origin": f"http://127.0.0.1:{PORT}/api", "start_on": days_ago(1)}}


def change():
    made = kept()
    for run in made["runs"][2:40:4]:
        call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "COMPLETED"}, "force": True})
    for n in range(200, 208):
        flow_run(made["flows"][0], n, made["deployments"][0])
    log(made["runs"][:60], 300, 10)
    call("PATCH", f"/deployments/{made['deployments'][1]}", {"description": "each day", "paused": True})
    call("DELETE", f"/flow_runs/{made['runs'][100]}")
    call("POST", "/flows/", {"name": "another"})
    call("POST", "/automations/", automation(7))


def truth():
    def rows(columns, of, **written):
        def taken(name):
            is_time = name in ("created", "updated", "timestamp") or name.endswith("_time") and not name.startswith(("total", "estimated"))
            return written.get(name) or (f"replace({name}, ' ', 'T') || 'Z'" if is_time else name)

        return sqlite(WORK / "prefect.db", columns, f"select {', '.join(map(taken, columns.split()))} from {of}")

    true = lambda column: f"case {column} when 1 then 'true' else 'false' end"
    return {
        "flows": rows("id name created updated", "flow"),
        "deployments": rows("id name flow_id description paused created", "deployment", paused=true("paused")),
        "work_pools": rows("id name type is_paused created", "work_pool", is_paused=true("is_paused")),
        "flow_runs": rows("id name flow_id deployment_id state_type state_name run_count expected_start_time start_time end_time created updated", "flow_run"),
        "task_runs": rows("id name flow_run_id task_key dynamic_key state_type run_count expected_start_time created", "task_run"),
        "logs": rows("id name level message flow_run_id timestamp", "log"),
        "automations": rows("id name description enabled created", "automation", enabled=true("enabled")),
        "artifacts": rows("id key type flow_run_id created", "artifact"),
    }
