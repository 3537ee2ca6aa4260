"""Prometheus from Debian: four days of figures as blocks that its own tool made, rules, and itself as the target."""

from plumbing import *

DATA, RULES = WORK / "data", WORK / "rules.yml"
QUERIES = ["shop_orders_total", "shop_stock"]


def install():
    debian("prometheus")
    return f"Prometheus {debian_version('prometheus')}"


def rules(*names):
    groups = [
        f"- name: {name}\n  interval: {30 * (at + 1)}s\n  rules:\n  - {{ record: 'shop:{name}', expr: 'sum(shop_stock)' }}\n" for at, name in enumerate(names)
    ]
    RULES.write_text("groups:\n" + "".join(groups))


def begin():
    """The first minute of the figures: some hours before the fill."""
    at = kept().get("begin") or (int(now().timestamp()) - 6 * 3600) // 3600 * 3600
    keep(begin=at)
    return at


def figures():
    """(name, labels, instant, value) of each figure; a value is a whole number, whose text is the same everywhere."""
    first = begin()
    for minute in range(4 * 24 * 60):
        at = first + 60 * minute
        for shop in ("nord", "süd"):
            yield "shop_orders_total", {"shop": shop}, at, minute * (2 if shop == "nord" else 3)
        yield "shop_stock", {"item": "cup", "shop": "nord"}, at, 1000 - minute % 97


def serve():
    DATA.mkdir()
    lines = ["# TYPE shop_orders counter", "# TYPE shop_stock gauge"]
    by_name = sorted(figures(), key=lambda one: one[0])
    for name, labels, at, value in by_name:
        written = ",".join(f'{label}="{text}"' for label, text in labels.items())
        lines.append(f"{name}{{{written}}} {value} {at}")
    (WORK / "figures.txt").write_text("\n".join([*lines, "# EOF"]) + "\n")
    run(["promtool", "tsdb", "create-blocks-from", "--max-block-duration=100h", "openmetrics", WORK / "figures.txt", DATA])
    rules("hourly", "daily")
    (WORK / "prometheus.yml").write_text(
        f"rule_files: [{RULES}]\nscrape_configs:\n- job_name: self\n  scrape_interval: 30s\n  static_configs: [{{ targets: ['127.0.0.1:{PORT}'] }}]\n"
    )
    start(
        ["prometheus", f"--config.file={WORK}/prometheus.yml", f"--storage.tsdb.path={DATA}", f"--web.listen-address=127.0.0.1:{PORT}", "--web.enable-lifecycle", "--storage.tsdb.retention.time=90d"],
        moved=False,
    )


def fill():
    wait_for("/-/ready")
    # It finds its targets some seconds after it is ready.
    wait_until(lambda: http("GET", "/api/v1/targets")["data"]["activeTargets"])


def source():
    settings = {
        "origin": f"http://127.0.0.1:{PORT}",
        "password": "env:PROMETHEUS_PASSWORD",
        "queries": QUERIES,
        "start_on": datetime.fromtimestamp(begin(), timezone.utc).date().isoformat(),
    }
    return {"connector": "prometheus", "settings": settings, "variables": {"PROMETHEUS_PASSWORD": "none"}, "select": ["series", "rule_groups", "targets"]}


def change():
    # Later figures were in the future of the first reading, and go on after the last: a query repeats a last figure for five minutes.
    rules("hourly", "daily", "weekly")
    http("POST", "/-/reload")


def truth():
    """Figures as `promtool` finds them in the blocks on the disk, cut into hours; rules and targets as they were configured."""
    text = run(["promtool", "tsdb", "dump", "--match", '{__name__=~"shop_orders_total|shop_stock"}', DATA])
    until = (int(now().timestamp()) - 300) // 3600 * 3600
    hours = {}
    for line in text.splitlines():
        found = re.match(r"\{(.*)\} (\S+) (\d+)$", line)
        labels = dict(re.findall(r'(\w+)="([^"]*)"', found[1]))
        at = int(found[3]) // 1000
        if at < until:
            key = (labels["__name__"], json.dumps(labels, separators=(",", ":"), sort_keys=True, ensure_ascii=False), at // 3600)
            hours.setdefault(key, []).append([at, f"{float(found[2]):g}" if float(found[2]) < 1e6 else found[2]])
    series = [
        (name, f"{datetime.fromtimestamp(values[0][0], timezone.utc):%Y-%m-%dT%H:%M:%SZ}", metric, json.dumps(sorted(values), separators=(",", ":")))
        for (name, metric, _), values in hours.items()
    ]
    groups = re.findall(r"name: (\w+)\n  interval: (\d+)s", RULES.read_text())
    return {
        "series": table("query first_at metric values", series),
        "rule_groups": table("file name interval", [(str(RULES), name, int(seconds)) for name, seconds in groups]),
        "targets": table("scrapePool scrapeUrl", [("self", f"http://127.0.0.1:{PORT}/metrics")]),
    }
