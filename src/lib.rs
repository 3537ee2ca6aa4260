//! Headwater: pulls data from REST APIs into a lake that heals its own gaps, and builds star schemas from it.
//!
//! The library and the `headwater` binary do the same things by the same code. [`Lakehouse`] opens a project; [`Lakehouse::run`]
//! reads what is due and builds the stars whose inputs changed, with the same windows, events and report as the command line.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use headwater::{Environment, Lakehouse, OpenOptions, RunOptions, Stop};
//!
//! # async fn example() -> Result<(), headwater::RunError> {
//! let environment = Environment::new(std::env::vars(), std::env::current_dir()?, "alice".to_owned());
//! let lakehouse = Lakehouse::open(Path::new("project"), environment, OpenOptions::default()).await?;
//! let report = lakehouse.run(&RunOptions::default(), Arc::new(|event| println!("{event:?}")), &Stop::new()).await?;
//! println!("{} windows, exit code {}", report.windows().count(), report.exit_code());
//! let answer = lakehouse.query("select count(*) as orders from cleansed.shop.orders", None, 10).await?;
//! println!("{}", answer.as_text());
//! # Ok(())
//! # }
//! ```

pub mod cli;
mod lakehouse;
pub mod powerbi;
pub mod project;
mod query;
mod registration;
pub mod run;
pub mod sandbox;
pub mod schedule;

pub use lakehouse::{Lakehouse, OpenOptions};
pub use project::{Environment, ProjectFile};
pub use query::Answer;
pub use run::{RunError, RunEvent, RunOptions, RunReport, Stop};
