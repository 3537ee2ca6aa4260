"""WordPress from Debian, on MariaDB: posts, pages and files with what became of them, comments, people."""

import base64

from plumbing import *

HOME = Path("/usr/share/wordpress")
PASSWORD = "correct horse"
CONFIG = """<?php
define('DB_NAME', 'wordpress'); define('DB_USER', 'root'); define('DB_PASSWORD', ''); define('DB_HOST', '127.0.0.1:{database}');
define('DB_CHARSET', 'utf8mb4'); define('DB_COLLATE', ''); $table_prefix = 'wp_';
define('WP_HOME', 'http://127.0.0.1:{port}'); define('WP_SITEURL', 'http://127.0.0.1:{port}'); define('WP_ENVIRONMENT_TYPE', 'local');
define('WP_HTTP_BLOCK_EXTERNAL', true); define('DISABLE_WP_CRON', true); define('AUTOMATIC_UPDATER_DISABLED', true); define('FS_METHOD', 'direct');
foreach (['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'SECURE_AUTH_SALT', 'LOGGED_IN_SALT', 'NONCE_SALT'] as $name) define($name, 'live');
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
"""
# As its page of installation does; the site's clock is not UTC, so that a time without a zone would show.
INSTALL = """
define('WP_INSTALLING', true);
$_SERVER['HTTP_HOST'] = '127.0.0.1'; $_SERVER['REQUEST_METHOD'] = 'GET';
require 'wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
add_filter('pre_wp_mail', '__return_true');
wp_install('live', 'admin', 'admin@example.com', true, '', 'correct horse');
foreach ([1, 2, 3] as $sample) wp_delete_post($sample, true);
update_option('timezone_string', 'Asia/Tokyo');
update_option('comment_moderation', 0); update_option('comment_previously_approved', 0);
global $wp_rewrite;
$wp_rewrite->set_permalink_structure('/%postname%/');
echo WP_Application_Passwords::create_new_application_password(1, ['name' => 'headwater'])[0];
"""


def install():
    debian("wordpress", "php-cli", "php-mysql", "mariadb-server", "mariadb-client", "faketime")
    return f"WordPress {debian_version('wordpress')}"


def serve():
    folder, port = WORK / "mariadb", free_port()
    run(["mariadb-install-db", "--no-defaults", f"--datadir={folder}", "--auth-root-authentication-method=normal", "--skip-test-db", "--user=root"])
    start(
        ["mariadbd", "--no-defaults", f"--datadir={folder}", f"--socket={WORK}/mariadb.sock", f"--pid-file={WORK}/mariadb.pid", f"--port={port}", "--bind-address=127.0.0.1", "--user=root", "--innodb-flush-log-at-trx-commit=0"],
        log="mariadb.log",
    )
    keep(database=port)
    begun = time.monotonic()
    while subprocess.run([*mysql(), "-e", "create database wordpress"], capture_output=True).returncode != 0:
        if time.monotonic() - begun > 300:
            raise RuntimeError("MariaDB does not start")
        time.sleep(0.2)
    site = WORK / "site"
    shutil.copytree(HOME, site, ignore_dangling_symlinks=True)
    (site / "wp-config.php").write_text(CONFIG.format(database=port, port=PORT))
    (site / "wp-content/uploads").mkdir(exist_ok=True, parents=True)
    password = run(["php", "-r", INSTALL], cwd=site, env={**os.environ, **on_our_clock()}).strip().splitlines()[-1]
    start(["php", "-d", "opcache.enable_cli=1", "-S", f"127.0.0.1:{PORT}", "-t", site], cwd=site)
    keep(password=password)


def mysql():
    return ["mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", str(kept()["database"]), "-u", "root", "--default-character-set=utf8mb4"]


def call(method, path, body=None, **more):
    secret = base64.b64encode(f"admin:{kept()['password']}".encode()).decode()
    return http(method, f"/wp-json/wp/v2{path}", body, headers={"Authorization": f"Basic {secret}", **more.pop("headers", {})}, **more)


def fill():
    wait_until_kept("password")
    wait_for("/wp-json/")
    tags = [call("POST", "/tags", {"name": f"größe {n}"})["id"] for n in range(8)]
    category = call("POST", "/categories", {"name": "Krüge"})["id"]
    people = [
        call("POST", "/users", {"username": f"person{n}", "email": f"p{n}@example.com", "password": PASSWORD, "name": f"Zoë {n}", "roles": ["editor"]})["id"] for n in range(3)
    ]
    states = ("publish", "draft", "private", "pending")
    # More posts, and more comments, than a page of the list holds.
    posts = [
        call("POST", "/posts", {"title": f"Krug {n}", "content": f"Größe {n}", "status": states[n % 4] if n % 7 == 0 else "publish", "author": people[n % 3], "tags": [tags[n % 8]], "categories": [category]})["id"]
        for n in range(104)
    ]
    pages = [call("POST", "/pages", {"title": f"Seite {n}", "content": "…", "status": "publish", "menu_order": n})["id"] for n in range(8)]
    files = [
        call("POST", "/media", raw=(f"Datei {n}".encode(), "text/plain"), headers={"Content-Disposition": f'attachment; filename="file-{n}.txt"'})["id"] for n in range(8)
    ]
    comments = [call("POST", "/comments", {"post": posts[1], "content": f"Schön {n}", "author_name": f"Gast {n}", "author_email": f"g{n}@example.com"})["id"] for n in range(102)]
    keep(tags=tags, posts=posts, pages=pages, files=files, comments=comments, people=people)


def source():
    return {
        "connector": "wordpress",
        "settings": {"origin": f"http://127.0.0.1:{PORT}", "username": "admin", "password": "env:WORDPRESS_PASSWORD", "start_on": days_ago(10)},
        "variables": {"WORDPRESS_PASSWORD": kept()["password"]},
    }


def change():
    made = kept()
    for n in range(3):
        call("POST", "/posts", {"title": f"Neu {n}", "content": "…", "status": "publish"})
    for post in made["posts"][10:16]:
        call("POST", f"/posts/{post}", {"title": "Anders", "content": "Anders"})
    call("DELETE", f"/posts/{made['posts'][20]}")
    call("DELETE", f"/posts/{made['posts'][21]}?force=true")
    call("POST", f"/pages/{made['pages'][1]}", {"title": "Eine andere Seite"})
    call("DELETE", f"/pages/{made['pages'][2]}?force=true")
    call("DELETE", f"/media/{made['files'][1]}?force=true")
    call("POST", f"/comments/{made['comments'][5]}", {"status": "hold"})
    call("DELETE", f"/comments/{made['comments'][6]}?force=true")
    call("DELETE", f"/tags/{made['tags'][2]}?force=true")
    call("POST", f"/users/{made['people'][0]}", {"name": "Renée"})


def truth():
    def rows(columns, taken, of):
        asked = f"select coalesce(json_arrayagg(json_array({taken})), json_array()) from {of}"
        # The list is one value, however long.
        told = run([*mysql(), "wordpress", "-Nrse", f"set session group_concat_max_len = 268435456; {asked}"])
        return table(columns, json.loads(told))

    at = lambda column: f"date_format({column}, '%Y-%m-%dT%H:%i:%sZ')"
    kind = lambda name: f"wp_posts where post_type = '{name}' and post_status in ('publish', 'future', 'draft', 'pending', 'private', 'trash', 'inherit')"
    # A draft has no time in GMT in the database; the API tells the site's own time in GMT.
    modified = at("convert_tz(post_modified, '+09:00', '+00:00')")
    post = f"ID, post_status, post_title, post_content, post_author, {modified}"
    term = lambda name: f"wp_terms t join wp_term_taxonomy x on x.term_id = t.term_id where x.taxonomy = '{name}'"
    state = "case comment_approved when '1' then 'approved' when '0' then 'hold' else comment_approved end"
    return {
        "posts": rows("id status title content author modified_gmt", post, kind("post")),
        "pages": rows("id status title content author modified_gmt menu_order", f"{post}, menu_order", kind("page")),
        "media": rows("id title mime_type author modified_gmt", f"ID, post_title, post_mime_type, post_author, {modified}", kind("attachment")),
        "comments": rows(
            "id post status author_name author_email content date_gmt",
            f"comment_ID, comment_post_ID, {state}, comment_author, comment_author_email, comment_content, {at('comment_date_gmt')}",
            "wp_comments where comment_approved in ('0', '1') and comment_type = 'comment'",
        ),
        "users": rows("id username name email registered_date", f"ID, user_login, display_name, user_email, {at('user_registered')}", "wp_users"),
        "categories": rows("id name slug count", "t.term_id, t.name, t.slug, x.count", term("category")),
        "tags": rows("id name slug count", "t.term_id, t.name, t.slug, x.count", term("post_tag")),
    }
