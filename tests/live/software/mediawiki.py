"""MediaWiki from Debian, on SQLite: pages and each change of them, the logs, and people."""

from http.cookiejar import CookieJar

from plumbing import *

HOME = Path("/usr/share/mediawiki")
PERSON, PASSWORD = "Ada", "correct horse battery"
EMPTY = CACHE / "mediawiki" / "empty"
MORE = """
$wgServer = "http://127.0.0.1:{port}";
$wgSQLiteDataDir = "{data}";
$wgCacheDirectory = "{data}/cache";
$wgRateLimits = [];
$wgAccountCreationThrottle = [];
$wgEnableUploads = false;
$wgJobRunRate = 0;
"""


def install():
    debian("mediawiki", "php-cli", "php-sqlite3", "php-intl", "php-mbstring", "php-xml", "faketime")
    version = debian_version("mediawiki")
    with only_one("mediawiki"):
        made = EMPTY.with_name("version.txt")
        if not made.is_file() or made.read_text() != version:
            shutil.rmtree(EMPTY, ignore_errors=True)
            EMPTY.mkdir(parents=True)
            words = ["--dbtype", "sqlite", "--dbname", "wiki", "--dbpath", EMPTY, "--confpath", EMPTY, "--scriptpath", "", "--pass", PASSWORD]
            run(["php", HOME / "maintenance/install.php", *words, "--server", "http://127.0.0.1", "live", PERSON])
            made.write_text(version)
    return f"MediaWiki {version}"


def serve():
    data = WORK / "data"
    shutil.copytree(EMPTY, data)
    settings = data / "LocalSettings.php"
    settings.write_text(settings.read_text().replace(str(EMPTY), str(data)) + MORE.format(port=PORT, data=data))
    start(["php", "-d", "opcache.enable_cli=1", "-S", f"127.0.0.1:{PORT}", "-t", HOME], env={"MW_CONFIG_FILE": str(settings)})


cookies = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))


def call(**words):
    """One action of the wiki's API, in this step's session."""
    body = urllib.parse.urlencode({"format": "json", "formatversion": 2, **words}).encode()
    with cookies.open(f"http://127.0.0.1:{PORT}/api.php", data=body, timeout=300) as answer:
        told = json.load(answer)
    if "error" in told:
        raise Refused(f"{words}: {told['error']}")
    return told


def token(kind="csrf"):
    return call(action="query", meta="tokens", type=kind)["query"]["tokens"][f"{kind}token"]


def log_in():
    told = call(action="clientlogin", username=PERSON, password=PASSWORD, logintoken=token("login"), loginreturnurl="http://127.0.0.1/")
    assert told["clientlogin"]["status"] == "PASS", told
    return token()


def write(csrf, title, text, summary="…"):
    call(action="edit", title=title, text=text, summary=summary, token=csrf)


def fill():
    wait_for("/api.php?action=query&meta=siteinfo&format=json")
    csrf = log_in()
    # More pages, and more changes, than a page of the list holds.
    for n in range(505):
        write(csrf, f"Krüge {n}", f"Krug {n}\n\n[[Category:Krüge]]")
    for n in range(12):
        write(csrf, f"Krüge {n}", f"Krug {n}, anders", summary="größer")
    for n in range(3):
        write(csrf, f"Talk:Krüge {n}", "Wie groß?")
    for n in range(4):
        made = call(
            action="createaccount", username=f"Person {n}", password=f"{PASSWORD} {n}", retype=f"{PASSWORD} {n}", createreturnurl="http://127.0.0.1/", createtoken=token("createaccount")
        )
        assert made["createaccount"]["status"] == "PASS", made
    call(action="move", **{"from": "Krüge 20", "to": "Becher 20"}, token=csrf)


def source():
    return {
        "connector": "mediawiki",
        "settings": {"origin": f"http://127.0.0.1:{PORT}", "namespaces": ["0", "1"], "start_on": days_ago(10)},
    }


def change():
    csrf = log_in()
    for n in range(30, 36):
        write(csrf, f"Krüge {n}", "Ganz anders", summary="später")
    write(csrf, "Teller", "Neu")
    call(action="delete", title="Krüge 40", reason="zerbrochen", token=csrf)
    call(action="block", user="Person 3", reason="Unfug", token=csrf)
    made = call(action="createaccount", username="Person 9", password=f"{PASSWORD} 9", retype=f"{PASSWORD} 9", createreturnurl="http://127.0.0.1/", createtoken=token("createaccount"))
    assert made["createaccount"]["status"] == "PASS", made


def truth():
    def database(columns, query):
        return sqlite(WORK / "data/wiki.sqlite", columns, query)

    # The main page was made when the wiki was installed, which is later than the moved clock shows.
    until = now().strftime("%Y%m%d%H%M%S")
    at = lambda column: f"substr({column}, 1, 4) || '-' || substr({column}, 5, 2) || '-' || substr({column}, 7, 2) || 'T' || substr({column}, 9, 2) || ':' || substr({column}, 11, 2) || ':' || substr({column}, 13, 2) || 'Z'"
    spaces = {0: "", 1: "Talk:", 2: "User:", 3: "User talk:"}
    title = lambda ns, name: "case " + ns + " " + " ".join(f"when {n} then '{text}'" for n, text in spaces.items()) + f" else '?' end || replace({name}, '_', ' ')"
    kinds = "case rc_source when 'mw.edit' then 'edit' when 'mw.new' then 'new' when 'mw.log' then 'log' end"
    return {
        "recent_changes": database(
            "rcid type ns title pageid revid old_revid user userid oldlen newlen timestamp comment",
            f"select rc_id, {kinds}, rc_namespace, {title('rc_namespace', 'rc_title')}, rc_cur_id, rc_this_oldid, rc_last_oldid, actor_name, actor_user, coalesce(rc_old_len, 0), coalesce(rc_new_len, 0), {at('rc_timestamp')}, comment_text "
            f"from recentchanges join actor on actor_id = rc_actor join comment on comment_id = rc_comment_id where rc_timestamp < '{until}'",
        ),
        "log_events": database(
            "logid ns title type action user userid timestamp comment",
            f"select log_id, log_namespace, {title('log_namespace', 'log_title')}, log_type, log_action, actor_name, actor_user, {at('log_timestamp')}, comment_text "
            f"from logging join actor on actor_id = log_actor join comment on comment_id = log_comment_id where log_timestamp < '{until}'",
        ),
        "pages": database(
            "pageid ns title lastrevid length contentmodel",
            f"select page_id, page_namespace, {title('page_namespace', 'page_title')}, page_latest, page_len, coalesce(page_content_model, 'wikitext') from page where page_namespace in (0, 1)",
        ),
        "users": database(
            "userid name editcount registration", f"select user_id, user_name, coalesce(user_editcount, 0), {at('user_registration')} from user"
        ),
    }
