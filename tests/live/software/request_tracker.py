"""Request Tracker 5 from Debian, on SQLite: tickets, what happened to each, and queues."""

from plumbing import *

HOME = Path("/usr/share/request-tracker5")
EMPTY = CACHE / "request-tracker" / "empty.db"
CONFIG = """
Set($rtname, 'live');
Set($Organization, 'live.example.com');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{database}');
Set($MailCommand, 'testfile');
Set($LogToFile, undef);
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'error');
Set($Timezone, 'UTC');
Set($WebSecureCookies, 0);
Set(%FullTextSearch, Enable => 0, Indexed => 0);
1;
"""
TOKEN = """
use lib '/usr/share/request-tracker5/lib';
use RT -init;
my $root = RT::User->new(RT->SystemUser);
$root->Load('root');
my $token = RT::AuthToken->new(RT::CurrentUser->new('root'));
my ($ok, $message, $text) = $token->Create(Owner => $root->Id, Description => 'headwater');
die $message unless $ok;
print $text;
"""


def variables(folder, database, port=0):
    """A configuration of its own: Debian's is for the server that a person keeps."""
    folder.mkdir(exist_ok=True)
    config = folder / "RT_SiteConfig.pm"
    config.write_text(CONFIG.format(database=database, port=port))
    return {"RT_SITE_CONFIG": str(config), "RT_SITE_CONFIG_DIR": str(folder)}


def install():
    debian("request-tracker5", "rt5-db-sqlite", "rt5-standalone", "faketime")
    version = debian_version("request-tracker5")
    made = EMPTY.with_name("version.txt")
    with only_one("request-tracker"):
        if not made.is_file() or made.read_text() != version:
            EMPTY.parent.mkdir(exist_ok=True)
            EMPTY.unlink(missing_ok=True)
            tool = ["/usr/sbin/rt-setup-database-5", "--action", "init", "--skip-create", "--dba", "root", "--dba-password", ""]
            run(tool, env={**os.environ, **variables(EMPTY.with_name("etc"), EMPTY)}, stdin=subprocess.DEVNULL)
            made.write_text(version)
    return f"Request Tracker {version}"


def serve():
    database = WORK / "rt.db"
    shutil.copy(EMPTY, database)
    environment = variables(WORK / "etc", database, PORT)
    keep(token=run(["perl", "-e", TOKEN], env={**os.environ, **environment}).strip().splitlines()[-1])
    start(["perl", HOME / "libexec/rt-server", "--host", "127.0.0.1", "--port", PORT, "--server", "Starlet", "--max-workers", "1"], env=environment)


def call(method, path, body=None):
    return http(method, f"/REST/2.0{path}", body, headers={"Authorization": f"token {kept()['token']}"})


def fill():
    wait_until_kept("token")
    wait_for("/REST/2.0/rt", headers={"Authorization": f"token {kept()['token']}"})
    call("POST", "/queue", {"Name": "Retouren", "Description": "Was zurückkommt"})
    # More than a page holds.
    tickets = [
        int(call("POST", "/ticket", {"Queue": ("General", "Retouren")[n % 2], "Subject": f"Ärger {n}", "Requestor": f"p{n % 4}@example.com", "Content": "…"})["id"])
        for n in range(105)
    ]
    for ticket in tickets[:5]:
        call("PUT", f"/ticket/{ticket}", {"Status": "open", "Priority": 10})
    keep(tickets=tickets)


def source():
    return {
        "connector": "request-tracker",
        "settings": {"origin": f"http://127.0.0.1:{PORT}", "token": "env:RT_TOKEN", "start_on": days_ago(10)},
        "variables": {"RT_TOKEN": kept()["token"]},
    }


def change():
    tickets = kept()["tickets"]
    for ticket in tickets[8:12]:
        call("PUT", f"/ticket/{ticket}", {"Status": "resolved"})
    call("PUT", f"/ticket/{tickets[2]}", {"Subject": "Anders"})
    for n in range(3):
        call("POST", "/ticket", {"Queue": "General", "Subject": f"Neu {n}", "Requestor": "p9@example.com", "Content": "…"})
    call("PUT", "/queue/Retouren", {"Description": "Zurück"})


def truth():
    def database(columns, query):
        return sqlite(WORK / "rt.db", columns, query)

    at = lambda column: f"replace({column}, ' ', 'T') || 'Z'"
    return {
        "tickets": database(
            "id Subject Status queue_id Created LastUpdated", f"select id, Subject, Status, Queue, {at('Created')}, {at('LastUpdated')} from Tickets"
        ),
        "ticket_history": database(
            "ticket id Type Field Created", f"select ObjectId, id, Type, Field, {at('Created')} from Transactions where ObjectType = 'RT::Ticket'"
        ),
        "queues": database("id Name Description", "select id, Name, Description from Queues where Disabled = 0"),
    }
