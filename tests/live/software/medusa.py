"""Medusa 2 from npm, on Debian's PostgreSQL: a shop with customers, products, orders and payments."""

import base64

from plumbing import *

VERSION = "2.21.2"
ADMIN = {"email": "admin@example.com", "password": "correct horse"}
# Without the admin's pages, which would have to be built; the API does not need them.
CONFIG = """
const { defineConfig } = require("@medusajs/framework/utils")
const cors = "http://127.0.0.1"
module.exports = defineConfig({
  admin: { disable: true },
  projectConfig: {
    databaseUrl: process.env.DATABASE_URL,
    databaseDriverOptions: { connection: { ssl: false } },
    http: { storeCors: cors, adminCors: cors, authCors: cors, jwtSecret: "live", cookieSecret: "live" },
  },
})
"""


def install():
    debian("postgresql", "faketime")
    folder = npm("medusa", *(f"@medusajs/{part}@{VERSION}" for part in ("cli", "framework", "medusa")))
    (folder / "medusa-config.js").write_text(CONFIG)
    return f"Medusa {VERSION}"


def serve():
    folder, port = CACHE / "medusa", postgres("medusa")
    variables = {
        "DATABASE_URL": f"postgres://postgres@127.0.0.1:{port}/medusa",
        "MEDUSA_DISABLE_TELEMETRY": "true",
        "NODE_ENV": "production",
    }
    medusa = folder / "node_modules/.bin/medusa"
    moved = {**os.environ, **on_our_clock(), **variables}

    def make():
        run([medusa, "db:migrate"], cwd=folder, env=moved)
        run([medusa, "user", "-e", ADMIN["email"], "-p", ADMIN["password"]], cwd=folder, env=moved)

    made_once("medusa", VERSION, make)
    start([medusa, "start", "--host", "127.0.0.1", "--port", PORT], env=variables, cwd=folder)


def call(method, path, body=None):
    return http(method, f"/admin{path}", body, headers={"Authorization": kept()["auth"]})


def fill():
    wait_for("/health")
    token = http("POST", "/auth/user/emailpass", ADMIN)["token"]
    keep(auth=f"Bearer {token}")
    key = call("POST", "/api-keys", {"title": "headwater", "type": "secret"})["api_key"]["token"]
    keep(key=key, auth="Basic " + base64.b64encode(f"{key}:".encode()).decode())

    region = call("POST", "/regions", {"name": "Europe", "currency_code": "eur", "countries": ["de", "fr"]})["region"]["id"]
    channel = call("POST", "/sales-channels", {"name": "Web"})["sales_channel"]["id"]
    collection = call("POST", "/collections", {"title": "Kitchen"})["collection"]["id"]
    category = call("POST", "/product-categories", {"name": "Cups", "is_active": True})["product_category"]["id"]
    call("POST", "/customer-groups", {"name": "Regulars"})
    products = [
        call(
            "POST",
            "/products",
            {
                "title": f"Cup {n}",
                "status": "published",
                "collection_id": collection,
                "categories": [{"id": category}],
                "sales_channels": [{"id": channel}],
                "options": [{"title": "Size", "values": ["S", "L"]}],
                "variants": [
                    {
                        "title": size,
                        "sku": f"CUP-{n}-{size}",
                        "options": {"Size": size},
                        "prices": [{"amount": price, "currency_code": "eur"}],
                        "manage_inventory": False,
                    }
                    for size, price in (("S", 9.95 + n), ("L", 14.5 + n))
                ],
            },
        )["product"]
        for n in range(10)
    ]
    # More customers than a page holds.
    customers = [
        call("POST", "/customers", {"email": f"customer{n}@example.com", "first_name": f"Zoë {n}"})["customer"]["id"] for n in range(101)
    ]
    keep(region=region, channel=channel, products=[p["id"] for p in products], customers=customers)
    keep(variants=[variant["id"] for product in products for variant in product["variants"]])
    keep(orders=[order(n) for n in range(24)])
    for paid in kept()["orders"][:8]:
        pay(paid)


def order(n):
    """An order as staff take it on the telephone: drafted, then placed."""
    now = kept()
    items = [{"variant_id": now["variants"][(n + i) % len(now["variants"])], "quantity": 1 + (n + i) % 3} for i in range(1 + n % 3)]
    body = {
        "email": f"customer{n % 20}@example.com",
        "customer_id": now["customers"][n % 20],
        "region_id": now["region"],
        "sales_channel_id": now["channel"],
        "shipping_address": {"first_name": "Zoë", "address_1": f"Weg {n}", "city": "Köln", "country_code": "de"},
        "items": items,
    }
    draft = call("POST", "/draft-orders", body)["draft_order"]["id"]
    return call("POST", f"/draft-orders/{draft}/convert-to-order", {})["order"]["id"]


def pay(order):
    total = call("GET", f"/orders/{order}")["order"]["total"]
    owed = call("POST", "/payment-collections", {"order_id": order, "amount": total})["payment_collection"]["id"]
    call("POST", f"/payment-collections/{owed}/mark-as-paid", {"order_id": order})


def source():
    return {
        "connector": "medusa",
        "settings": {"origin": f"http://127.0.0.1:{PORT}", "api_key": "env:MEDUSA_KEY", "start_on": days_ago(10)},
        "variables": {"MEDUSA_KEY": kept()["key"]},
    }


def change():
    now = kept()
    for n in range(24, 30):
        order(n)
    for canceled in now["orders"][10:13]:
        call("POST", f"/orders/{canceled}/cancel", {})
    for moved in now["orders"][15:17]:
        call("POST", f"/orders/{moved}", {"email": "moved@example.com"})
    pay(now["orders"][18])
    call("POST", f"/customers/{now['customers'][3]}", {"first_name": "Renée"})
    lost = call("POST", "/customers", {"email": "new@example.com"})["customer"]["id"]
    call("POST", f"/customers/{lost}", {"phone": "1"})
    call("DELETE", f"/customers/{now['customers'][100]}")
    call("POST", f"/products/{now['products'][1]}", {"title": "Mug"})
    call("POST", f"/products/{now['products'][2]}/variants/{now['variants'][4]}", {"sku": "CUP-RENAMED"})
    call("DELETE", f"/products/{now['products'][9]}")


UTC = """to_char({0} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""


def truth():
    def rows(columns, of, where="deleted_at is null"):
        taken = ", ".join(UTC.format(name) + f" as {name}" if name.endswith("_at") else name for name in columns.split())
        return sql(columns, f"select {taken} from {of} where {where}")

    lines = """select li.id, oi.order_id, li.variant_sku, oi.quantity, coalesce(oi.unit_price, li.unit_price) as unit_price
        from order_item oi join order_line_item li on li.id = oi.item_id join "order" o on o.id = oi.order_id and o.version = oi.version
        where not o.is_draft_order"""
    totals = """select o.id, (s.totals->>'original_order_total')::numeric as total from "order" o join order_summary s
        on s.order_id = o.id and s.version = o.version where not o.is_draft_order and o.status <> 'canceled'"""
    return {
        "orders": rows(
            "id display_id status version email currency_code region_id customer_id sales_channel_id created_at updated_at canceled_at",
            '"order"',
            "deleted_at is null and not is_draft_order",
        ),
        "order_items": sql("id order_id variant_sku quantity unit_price", lines),
        "orders:total": {**sql("id total", totals), "of": "orders", "where": "status <> 'canceled'"},
        "customers": rows("id email first_name phone has_account created_at updated_at", "customer"),
        "products": rows("id title handle status collection_id created_at updated_at", "product"),
        "product_variants": rows("id product_id title sku variant_rank created_at updated_at", "product_variant"),
        "payments": rows("id amount currency_code provider_id payment_collection_id captured_at", "payment"),
        "customer_groups": rows("id name created_at updated_at", "customer_group"),
        "collections": rows("id title handle created_at updated_at", "product_collection"),
        "product_categories": rows("id name handle is_active created_at updated_at", "product_category"),
        "regions": rows("id name currency_code created_at updated_at", "region"),
        "sales_channels": rows("id name is_disabled created_at updated_at", "sales_channel"),
    }
