"""Label Studio from PyPI, on SQLite: projects, tasks and what people said of them."""

from plumbing import *

VERSION = "1.23.2"
PERSON = {"email": "admin@example.com", "password": "correct horse"}
TOKEN = "0123456789abcdef0123456789abcdef01234567"
LABELS = "<View><Text name='text' value='$text'/><Choices name='kind' toName='text'><Choice value='gut'/><Choice value='schlecht'/></Choices></View>"
EMPTY = CACHE / "label-studio" / "empty"


def command(folder, port, *more):
    tool = CACHE / "label-studio/venv/bin/label-studio"
    return [tool, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", port, "--data-dir", folder, "--log-level", "ERROR", *more]


VARIABLES = {"COLLECT_ANALYTICS": "False", "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "True", "LATEST_VERSION_CHECK": "False", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": "", "DEBUG": "False"}


def install():
    debian("faketime")
    venv("label-studio", f"label-studio=={VERSION}")
    with only_one("label-studio-empty"):
        if not (EMPTY / "label_studio.sqlite3").is_file():
            # Its tables take a minute to make; they are made once.
            making, port = EMPTY.with_name("making"), free_port()
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            person = ["--username", PERSON["email"], "--password", PERSON["password"], "--user-token", TOKEN]
            with open(making / "log", "wb") as log:
                server = subprocess.Popen(
                    [str(part) for part in command(making, port, *person)], env={**os.environ, **VARIABLES}, stdout=log, stderr=log, start_new_session=True
                )
                try:
                    answers_at(port, "/health", server)
                finally:
                    os.killpg(server.pid, signal.SIGTERM)
                    server.wait()
            making.rename(EMPTY)
    return f"Label Studio {VERSION}"


def serve():
    shutil.copytree(EMPTY, WORK / "data")
    start(command(WORK / "data", PORT), env=VARIABLES)


def call(method, path, body=None):
    return http(method, f"/api{path}", body, headers={"Authorization": f"Token {TOKEN}"})


def fill():
    wait_for("/health")
    projects = [call("POST", "/projects/", {"title": f"Bewertungen {n}", "label_config": LABELS})["id"] for n in range(2)]
    # More than a page holds.
    call("POST", f"/projects/{projects[0]}/import", [{"text": f"Schöner Krug {n}"} for n in range(110)])
    call("POST", f"/projects/{projects[1]}/import", [{"text": f"Krug {n}"} for n in range(7)])
    keep(projects=projects)
    for task in tasks(projects[0])[:6]:
        annotate(task, "gut")


def tasks(project):
    return [row[0] for row in database("id", f"select id from task where project_id = {project} order by id")["rows"]]


def annotate(task, kind):
    result = [{"from_name": "kind", "to_name": "text", "type": "choices", "value": {"choices": [kind]}}]
    return call("POST", f"/tasks/{task}/annotations/", {"result": result, "lead_time": 1.5})["id"]


def source():
    return {
        "connector": "label-studio",
        "settings": {"origin": f"http://127.0.0.1:{PORT}", "token": "env:LABEL_TOKEN"},
        "variables": {"LABEL_TOKEN": TOKEN},
    }


def change():
    first, second = kept()["projects"]
    for task in tasks(first)[10:13]:
        annotate(task, "schlecht")
    call("DELETE", f"/tasks/{tasks(first)[50]}/")
    call("PATCH", f"/tasks/{tasks(second)[0]}/", {"data": {"text": "Ein anderer Krug"}})
    call("POST", f"/projects/{second}/import", [{"text": "Neu"}])
    call("PATCH", f"/projects/{second}/", {"title": "Krüge"})


def database(columns, query):
    return sqlite(WORK / "data/label_studio.sqlite3", columns, query)


def truth():
    yes = lambda column: f"case {column} when 1 then 'true' else 'false' end as {column}"
    at = lambda column: f"replace({column}, ' ', 'T') || 'Z' as {column}"
    return {
        "projects": database("id title label_config created_at", f"select id, title, label_config, {at('created_at')} from project"),
        "tasks": database(
            "project id inner_id is_labeled total_annotations created_at",
            f"select project_id, id, inner_id, {yes('is_labeled')}, total_annotations, {at('created_at')} from task",
        ),
        "annotations": database(
            "id task_id was_cancelled ground_truth lead_time created_at",
            f"select id, task_id, {yes('was_cancelled')}, {yes('ground_truth')}, lead_time, {at('created_at')} from task_completion",
        ),
    }
