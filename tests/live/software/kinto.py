"""Kinto from PyPI, on Debian's PostgreSQL: records of two collections with what was deleted of them, and their history."""

import base64

from plumbing import *

VERSION = "26.5.0"
PASSWORD = "correct horse"
AUTH = {"Authorization": "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()}
INI = """
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = {port}
threads = 4

[app:main]
use = egg:kinto
kinto.includes = kinto.plugins.accounts kinto.plugins.history
kinto.storage_backend = kinto.core.storage.postgresql
kinto.storage_url = {database}
kinto.permission_backend = kinto.core.permission.postgresql
kinto.permission_url = {database}
kinto.cache_backend = kinto.core.cache.memory
multiauth.policies = account
multiauth.policy.account.use = kinto.plugins.accounts.authentication.AccountsAuthenticationPolicy
kinto.account_create_principals = system.Everyone
kinto.bucket_create_principals = account:admin
kinto.batch_max_requests = 200
"""


def install():
    debian("postgresql", "faketime")
    venv("kinto", f"kinto[postgresql]=={VERSION}", "psycopg2-binary==2.9.13")
    return f"Kinto {VERSION}"


def serve():
    database = f"postgresql://postgres@127.0.0.1:{postgres('kinto')}/kinto"
    config = WORK / "kinto.ini"
    config.write_text(INI.format(port=PORT, database=database))
    kinto = CACHE / "kinto/venv/bin/kinto"
    run([kinto, "migrate", "--ini", config], env={**os.environ, **on_our_clock()})
    start([kinto, "start", "--ini", config])


def call(method, path, body=None):
    return http(method, f"/v1{path}", body, headers=AUTH)


def put(collection, first, count):
    requests = [
        {"method": "PUT", "path": f"/buckets/shop/collections/{collection}/records/{collection}-{n}", "body": {"data": {"title": f"Krüge {n}", "price": n + 0.5}}}
        for n in range(first, first + count)
    ]
    call("POST", "/batch", {"requests": requests})


def fill():
    wait_for("/v1/__heartbeat__")
    http("PUT", "/v1/accounts/admin", {"data": {"password": PASSWORD}})
    call("PUT", "/buckets/shop")
    call("PUT", "/buckets/empty")
    for collection in ("articles", "offers"):
        call("PUT", f"/buckets/shop/collections/{collection}")
    for n in range(8):
        call("PUT", f"/buckets/shop/groups/team-{n}", {"data": {"members": [f"account:p{m}" for m in range(n + 1)]}})
    # More than a page holds.
    for first in range(0, 600, 200):
        put("articles", first, 200)
    put("offers", 0, 20)


def source():
    columns = {
        "id": {"type": "string"},
        "last_modified": {"type": "timestamp", "format": "unix_millis"},
        "deleted": {"type": "boolean", "nullable": True},
        "title": {"type": "string", "nullable": True},
        "price": {"type": "decimal(12,2)", "nullable": True},
    }
    stream = {"template": "records", "title": "Records", "start": days_ago(10), "columns": columns}
    return {
        "connector": "kinto",
        "settings": {"origin": f"http://127.0.0.1:{PORT}", "username": "admin", "password": "env:KINTO_PASSWORD", "start_on": days_ago(10)},
        "variables": {"KINTO_PASSWORD": PASSWORD},
        "streams": {name: {**stream, "with": {"bucket": "shop", "collection": name}} for name in ("articles", "offers")},
    }


def change():
    put("articles", 1000, 30)
    for n in range(100, 110):
        call("PATCH", f"/buckets/shop/collections/articles/records/articles-{n}", {"data": {"price": 0.05}})
    for n in range(200, 207):
        call("DELETE", f"/buckets/shop/collections/articles/records/articles-{n}")
    call("DELETE", "/buckets/shop/collections/offers/records/offers-3")
    call("PATCH", "/buckets/shop/groups/team-1", {"data": {"members": ["account:p9"]}})
    call("DELETE", "/buckets/shop/groups/team-2")
    call("PUT", "/buckets/shop/collections/later", {"data": {"cache_expires": 60}})


AT = """to_char({0}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as {1}"""


def truth():
    at = AT.format("last_modified", "last_modified")

    def rows(columns, taken, of):
        return sql(columns, f"select {taken} from objects where not deleted and {of}")

    def records(collection):
        of = f"resource_name = 'record' and parent_id = '/buckets/shop/collections/{collection}'"
        return rows("id last_modified title price", f"id, {at}, data->>'title' as title, (data->>'price')::numeric as price", of)

    bucket = "split_part(parent_id, '/', 3) as bucket"
    return {
        "articles": records("articles"),
        "offers": records("offers"),
        "buckets": rows("id last_modified", f"id, {at}", "resource_name = 'bucket'"),
        "collections": rows("bucket id last_modified cache_expires", f"{bucket}, id, {at}, data->>'cache_expires' as cache", "resource_name = 'collection'"),
        "groups": rows("bucket id last_modified members", f"{bucket}, id, {at}, data->'members' as members", "resource_name = 'group'"),
        "history": rows(
            "bucket id last_modified action resource_name collection_id record_id uri user_id",
            f"{bucket}, id, {at}, data->>'action' as action, data->>'resource_name' as kind, data->>'collection_id' as within, data->>'record_id' as record, data->>'uri' as uri, data->>'user_id' as person",
            "resource_name = 'history'",
        ),
    }
