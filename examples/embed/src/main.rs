//! Reads the sandbox into a lake from a program of its own: the same windows, events and report as the command line.

use std::path::Path;
use std::sync::Arc;

use headwater::sandbox::{Sandbox, SandboxOptions, TOKEN};
use headwater::{Environment, Lakehouse, OpenOptions, RunOptions, Stop};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let shop = Sandbox::start(SandboxOptions { orders: 2_000, days: 10, port: 0, ..SandboxOptions::default() }).await?;
    let folder = std::env::temp_dir().join(format!("headwater-embed-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("headwater.yaml"), project(shop.origin(), shop.port()))?;

    let variables = [("SHOP_TOKEN".to_owned(), TOKEN.to_owned())];
    let environment = Environment::new(variables, std::env::current_dir()?, "embed".to_owned());
    let lakehouse = Lakehouse::open(Path::new(&folder), environment, OpenOptions::default()).await?;
    let report = lakehouse.run(&RunOptions::default(), Arc::new(|event| println!("{event:?}")), &Stop::new()).await?;
    println!("{} windows, exit code {}", report.windows().count(), report.exit_code());
    let answer = lakehouse.query("select count(*) as orders from cleansed.shop.orders", None, 10).await?;
    println!("{}", answer.as_text());

    anyhow::ensure!(report.exit_code() == 0, "the run did not end well");
    let again = lakehouse.run(&RunOptions::default(), Arc::new(|_| ()), &Stop::new()).await?;
    anyhow::ensure!(again.windows().count() == 0, "the second run had something to do");
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn project(origin: &str, port: u16) -> String {
    format!(
        "headwater: 1\nsources:\n  shop:\n    connector: sandbox\n    settings:\n      origin: {origin}\n      \
         token: env:SHOP_TOKEN\n      start_on: 2025-03-01\naccess:\n  users: {{ embed: data_engineer }}\n\
         allow_private: [\"127.0.0.1:{port}\"]\n"
    )
}
