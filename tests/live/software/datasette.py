"""Datasette from PyPI: a small database of sales, read by windows, and a table without a key."""

from plumbing import *

VERSION = "0.65.5"
DATABASE = WORK / "sales.db"


def install():
    debian("faketime")
    venv("datasette", f"datasette=={VERSION}")
    return f"Datasette {VERSION}"


def serve():
    write("create table sales (id integer primary key, sold_at text, product text, amount text)")
    write("create table products (name text primary key, price text)")
    write("create table notes (text text)")
    start([CACHE / "datasette/venv/bin/datasette", "serve", DATABASE, "--host", "127.0.0.1", "--port", PORT, "--setting", "max_returned_rows", "100"])


def write(query, *rows):
    with contextlib.closing(sqlite3.connect(DATABASE)) as connection:
        if rows:
            connection.executemany(query, rows)
        else:
            connection.execute(query)
        connection.commit()


def sales(first, count, day):
    at = datetime.fromisoformat(day + "T00:00:00+00:00")
    return [
        (n, (at + timedelta(minutes=7 * (n - first))).strftime("%Y-%m-%dT%H:%M:%SZ"), f"Cup {n % 9}", f"{9.95 + n % 7:.2f}") for n in range(first, first + count)
    ]


def fill():
    wait_for("/-/versions.json")
    # Three pages, over more than a day; young enough to be read again after the change.
    write("insert into sales values (?, ?, ?, ?)", *sales(0, 250, days_ago(1)))
    write("insert into products values (?, ?)", *[(f"Cup {n}", f"{n + 1}.50") for n in range(9)])
    write("insert into notes values (?)", *[(f"Grüße {n % 20}",) for n in range(130)])


def source():
    text = {"type": "string"}
    stream = {"template": "rows", "title": "Rows", "start": days_ago(10)}
    return {
        "connector": "datasette",
        "settings": {"origin": f"http://127.0.0.1:{PORT}", "database": "sales"},
        "streams": {
            "sales": {
                **stream,
                "with": {"table": "sales"},
                "kind": "restating",
                "key": ["id"],
                "may_be_empty": True,
                "window": {"field": "sold_at", "granularity": "1 second", "length": "1 day", "settle": "1 hour", "lookback": "3 days", "rereads": ["1 day", "2 days"]},
                "columns": {"id": {"type": "int64"}, "sold_at": {"type": "timestamp"}, "product": text, "amount": {"type": "decimal(12,2)"}},
            },
            "products": {**stream, "with": {"table": "products"}, "kind": "snapshot", "key": ["name"], "columns": {"name": text, "price": {"type": "decimal(12,2)"}}},
            "notes": {**stream, "with": {"table": "notes"}, "kind": "snapshot", "append_only": True, "columns": {"rowid": {"type": "int64"}, "text": text}},
        },
    }


def change():
    write("insert into sales values (?, ?, ?, ?)", *sales(1000, 120, days_ago(1)))
    write("update sales set amount = '0.05' where id between 200 and 210")
    write("delete from sales where id in (230, 231)")
    write("update products set price = '99.00' where name = 'Cup 3'")
    write("delete from products where name = 'Cup 8'")
    write("insert into notes values ('last')")


def truth():
    return {
        "sales": sqlite(DATABASE, "id sold_at product amount", "select * from sales"),
        "products": sqlite(DATABASE, "name price", "select * from products"),
        "notes": sqlite(DATABASE, "rowid text", "select rowid, text from notes"),
    }
