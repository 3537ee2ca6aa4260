//! Real retail data behind Datasette, an API that we did not write: counts and sums equal the source's own SQL, to the cent.
//!
//! Runs on the first days of the data; `RETAIL_CUT_DAYS=all` takes the whole year. Where python3 cannot make the venv (no network,
//! no venv module) the test says so and ends: `.ci/run` installs what it needs first.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Project, Service, strangers};

/// Datasette over the data, and the database behind it.
struct Datasette {
    service: Service,
    database: PathBuf,
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/retail")
}

/// Days to cut to, none for the whole year.
fn cut() -> Vec<String> {
    match std::env::var("RETAIL_CUT_DAYS") {
        Ok(all) if all == "all" => Vec::new(),
        Ok(days) => vec!["--cut".to_owned(), days],
        Err(_) => vec!["--cut".to_owned(), "14".to_owned()],
    }
}

fn start() -> Option<Datasette> {
    let serve = example().join("serve");
    let prepared = Command::new(&serve).args(cut()).arg("--prepare").output().unwrap();
    if !prepared.status.success() {
        eprintln!("skipped: {} cannot prepare: {}", serve.display(), String::from_utf8_lossy(&prepared.stderr));
        return None;
    }
    let database = PathBuf::from(String::from_utf8(prepared.stdout).unwrap().trim());
    let service = Service::start(|port| {
        let mut command = Command::new(&serve);
        command.args(cut()).args(["--port", &port.to_string()]);
        command
    });
    Some(Datasette { service, database })
}

/// The example's own project, on the port at hand.
fn project(datasette: &Datasette) -> Project {
    let text = std::fs::read_to_string(example().join("headwater.yaml")).unwrap();
    let mut text = text.replace("127.0.0.1:8001", &format!("127.0.0.1:{}", datasette.service.port));
    if let [_, days] = cut().as_slice() {
        // The contract ends where the cut does, so that no window is empty.
        let end = chrono::NaiveDate::from_ymd_opt(2017, 1, 1).unwrap() + chrono::Days::new(days.parse().unwrap());
        text = text.replace("2018-01-02", &end.to_string());
    }
    Project::with(&text).with_stars("retail")
}

/// What the source's own SQL says, with python3's sqlite3.
fn source(datasette: &Datasette, sql: &str) -> String {
    let script = "import sqlite3, sys\nprint(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])";
    let output = Command::new("python3").args(["-c", script]).arg(&datasette.database).arg(sql).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// `select` of the source and of the lake, for cleansed and for curated. Money is compared in cents, as text.
const FIGURES: [(&str, &str, &str); 20] = [
    (
        "cleansed rows of transactions",
        "select count(*) from transactions",
        "select count(*) as n from cleansed.retail.transactions",
    ),
    (
        "cleansed rows of products",
        "select count(*) from products",
        "select count(*) as n from cleansed.retail.products",
    ),
    (
        "cleansed rows of demographics",
        "select count(*) from demographics",
        "select count(*) as n from cleansed.retail.demographics",
    ),
    (
        "cleansed rows of campaigns",
        "select count(*) from campaigns",
        "select count(*) as n from cleansed.retail.campaigns",
    ),
    (
        "cleansed rows of campaign_descriptions",
        "select count(*) from campaign_descriptions",
        "select count(*) as n from cleansed.retail.campaign_descriptions",
    ),
    ("cleansed rows of coupons", "select count(*) from coupons", "select count(*) as n from cleansed.retail.coupons"),
    (
        "cleansed rows of coupon_redemptions",
        "select count(*) from coupon_redemptions",
        "select count(*) as n from cleansed.retail.coupon_redemptions",
    ),
    ("cleansed sales", CENTS_OF_SALES, "select sum(sales_value) as n from cleansed.retail.transactions"),
    (
        "cleansed discounts",
        "select cast(round(sum(retail_disc) * 100) as int) from transactions",
        "select sum(retail_disc) as n from cleansed.retail.transactions",
    ),
    (
        "cleansed pieces",
        "select sum(quantity) from transactions",
        "select sum(quantity) as n from cleansed.retail.transactions",
    ),
    (
        "curated rows of fact_sales",
        "select count(*) from transactions",
        "select count(*) as n from curated.retail.fact_sales",
    ),
    ("curated sales", CENTS_OF_SALES, "select sum(sales_value) as n from curated.retail.fact_sales"),
    (
        "curated pieces",
        "select sum(quantity) from transactions",
        "select sum(quantity) as n from curated.retail.fact_sales",
    ),
    (
        "curated redemptions",
        "select count(*) from coupon_redemptions",
        "select count(*) as n from curated.retail.fact_coupon_redemption",
    ),
    ("curated store days' sales", CENTS_OF_SALES, "select sum(sales_value) as n from curated.retail.fact_store_daily"),
    (
        "curated households and the unknown one",
        "select count(distinct household_id) + 1 from transactions",
        "select count(*) as n from curated.retail.dim_household",
    ),
    (
        "curated stores and the unknown one",
        "select count(distinct store_id) + 1 from transactions",
        "select count(*) as n from curated.retail.dim_store",
    ),
    (
        "curated products, inferred ones and the unknown one",
        "select count(*) + 1 from (select product_id from products union select product_id from transactions)",
        "select count(*) as n from curated.retail.dim_product",
    ),
    (
        "curated campaigns and the unknown one",
        "select count(*) + 1 from campaign_descriptions",
        "select count(*) as n from curated.retail.dim_campaign",
    ),
    (
        "sold products that are not in products",
        "select count(distinct product_id) from transactions where product_id not in (select product_id from products)",
        "select count(*) as n from curated.retail.dim_product where is_inferred",
    ),
];

const CENTS_OF_SALES: &str = "select cast(round(sum(sales_value) * 100) as int) from transactions";

/// A figure without its point: 12.34 and 1234 cents are the same, as are 5 and 5.
fn bare(text: &str) -> String {
    text.replace('.', "")
}

#[test]
fn every_count_and_sum_equals_the_sources_own() {
    let Some(datasette) = start() else { return };
    let project = project(&datasette);
    project.run(&["run"]).ends_with(0);
    let mut wrong = Vec::new();
    for (what, theirs, ours) in FIGURES {
        let (theirs, ours) = (source(&datasette, theirs), project.value(ours));
        eprintln!("{what}: source {theirs}, lake {ours}");
        if bare(&theirs) != bare(&ours) {
            wrong.push(format!("{what}: the source says {theirs}, the lake {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let ran = project.run(&["run"]).ends_with(0);
    ran.says("nothing");
    others_read_the_same(&project);
}

/// `DuckDB` and `deltalake` read the tables without us, and agree.
fn others_read_the_same(project: &Project) {
    for (zone, table) in [("cleansed", "transactions"), ("curated", "fact_sales")] {
        let folder = project.zone(zone).join("retail").join(table);
        let ours = project.query(&format!("select count(*) as n, sum(sales_value) as s from {zone}.retail.{table}"));
        let ours = format!("{} {}", ours[0]["n"], bare(ours[0]["s"].to_string().trim_matches('"')));
        let theirs = strangers(
            &folder,
            "print(*connection.execute(f'select count(*), sum(sales_value) from {delta}').fetchone())",
            "table = delta.to_pyarrow_table(columns=['sales_value'])
print(table.num_rows, pc.sum(table['sales_value']).as_py())",
        );
        for theirs in theirs.into_iter().flatten() {
            assert_eq!(bare(&theirs), ours, "{zone}.{table}");
        }
    }
}

#[test]
fn kills_while_reading_and_while_building_leave_the_same_figures() {
    let Some(datasette) = start() else { return };
    let project = project(&datasette);
    for step in
        ["extracting", "receipt-created", "committed", "state-committed", "dimensions-committed", "fact-committed"]
    {
        project.kill_at(&["run"], step).unwrap();
    }
    project.run(&["run"]).ends_with(0);
    for (what, theirs, ours) in FIGURES {
        let (theirs, ours) = (source(&datasette, theirs), project.value(ours));
        assert_eq!(bare(&theirs), bare(&ours), "{what}");
    }
}

#[test]
fn raw_alone_rebuilds_the_same_figures_without_the_source() {
    let Some(datasette) = start() else { return };
    let project = project(&datasette);
    project.run(&["run"]).ends_with(0);
    let keys = "select count(*) as n, sum(product_key) as k from curated.retail.dim_product";
    let before = project.query(keys);
    let figures: Vec<String> = FIGURES.iter().map(|(_, theirs, _)| source(&datasette, theirs)).collect();
    drop(datasette);
    for gone in ["lake/cleansed", "lake/curated", ".headwater"] {
        std::fs::remove_dir_all(project.path(gone)).unwrap();
    }
    for rebuild in [["ledger", "rebuild"], ["rebuild", "cleansed"], ["rebuild", "curated"]] {
        project.run(&rebuild).ends_with(0);
    }
    for ((what, _, ours), theirs) in FIGURES.iter().zip(&figures) {
        assert_eq!(bare(theirs), bare(&project.value(ours)), "{what}");
    }
    assert_eq!(project.query(keys), before, "keys are kept, not made again");
}
