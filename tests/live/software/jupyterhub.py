"""JupyterHub from PyPI, on SQLite: people, groups and tokens. Its proxy, which lists nothing, is left out."""

from plumbing import *

VERSION = "5.4.3"
TOKEN = "0123456789abcdef0123456789abcdef"
CONFIG = """
from jupyterhub.proxy import Proxy

class NoProxy(Proxy):
    async def start(self): pass
    async def stop(self): pass
    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {{}}

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.hub_ip = "127.0.0.1"
c.JupyterHub.hub_port = {port}
c.JupyterHub.bind_url = "http://127.0.0.1:{other}"
c.JupyterHub.db_url = "sqlite:///{work}/hub.db"
c.JupyterHub.cookie_secret_file = "{work}/cookie"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.services = [{{"name": "headwater", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{"name": "all", "services": ["headwater"], "scopes": ["admin:users", "admin:groups", "tokens", "read:users", "read:groups"]}}]
"""


def install():
    debian("faketime")
    venv("jupyterhub", f"jupyterhub=={VERSION}")
    return f"JupyterHub {VERSION}"


def serve():
    config = WORK / "config.py"
    config.write_text(CONFIG.format(port=PORT, other=free_port(), work=WORK, token=TOKEN))
    start([CACHE / "jupyterhub/venv/bin/python", "-m", "jupyterhub", "-f", config])


def call(method, path, body=None):
    return http(method, f"/hub/api{path}", body, headers={"Authorization": f"token {TOKEN}"})


def fill():
    wait_for("/hub/api/")
    # More than a page holds.
    call("POST", "/users", {"usernames": [f"person-{n}" for n in range(205)]})
    for n in range(3):
        call("POST", f"/groups/team-{n}")
        call("POST", f"/groups/team-{n}/users", {"users": [f"person-{m}" for m in range(n, 20, 3)]})
    for n in range(4):
        call("POST", f"/users/person-{n}/tokens", {"note": f"für {n}"})


def source():
    return {
        "connector": "jupyterhub",
        "settings": {"origin": f"http://127.0.0.1:{PORT}", "token": "env:HUB_TOKEN"},
        "variables": {"HUB_TOKEN": TOKEN},
    }


def change():
    call("POST", "/users", {"usernames": ["late-1", "late-2"]})
    call("PATCH", "/users/person-7", {"name": "person-sieben"})
    call("DELETE", "/users/person-100")
    call("DELETE", "/groups/team-1/users", {"users": ["person-1"]})
    call("POST", "/users/person-5/tokens", {"note": "later"})


def truth():
    def database(columns, query):
        return sqlite(WORK / "hub.db", columns, query)

    at = lambda column: f"replace({column}, ' ', 'T') || 'Z'"
    members = "select '[' || coalesce(group_concat('\"' || name || '\"', ', '), '') || ']' from (select u.name from users u join user_group_map m on m.user_id = u.id where m.group_id = g.id order by u.id)"
    return {
        "users": database("name admin created", f"select name, case admin when 1 then 'true' else 'false' end, {at('created')} from users"),
        "groups": database("name users", f"select name, ({members}) from groups g"),
        "tokens": database(
            "user id note created",
            f"select u.name, 'a' || t.id, t.note, {at('t.created')} from api_tokens t join users u on u.id = t.user_id",
        ),
    }
