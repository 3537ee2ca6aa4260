//! The last step of a run: the stars whose inputs changed.

use headwater_lake::star::{BuildOptions, BuildReport, Star, build, inputs_changed};

use crate::Lakehouse;
use crate::run::error::RunError;
use crate::run::event::RunEvent;
use crate::run::report::{Problem, RunReport, StarReport, StarTable};
use crate::run::stream::Ways;

impl Lakehouse {
    /// Whether a build of any of these would do anything. One that cannot tell is built, so that its error shows.
    pub(crate) async fn any_star_due(&self, stars: &[Star]) -> bool {
        for star in stars {
            if self.is_star_due(star).await {
                return true;
            }
        }
        false
    }

    /// A star waits until each of its inputs was committed once; until then there is nothing to build it from, which is no error.
    async fn is_star_due(&self, star: &Star) -> bool {
        for input in star.inputs() {
            let log = format!("{}/_delta_log", headwater_lake::zones::layout::table_path(&input));
            let entries = self.lake.zones.get(input.zone).list(&log).await;
            if entries.is_ok_and(|entries| entries.is_empty()) {
                return false;
            }
        }
        inputs_changed(&self.lake, star).await.unwrap_or(true)
    }

    /// Builds the stars that are due, or all of them with `is_forced`.
    pub(crate) async fn build_due(&self, stars: &[Star], ways: &Ways, is_forced: bool) -> Vec<StarReport> {
        let mut reports = Vec::new();
        for star in stars {
            if ways.stop.is_asked() {
                break;
            }
            if is_forced || self.is_star_due(star).await {
                reports.push(self.build_star(star, ways, BuildOptions::default()).await);
            }
        }
        reports
    }

    /// Builds one star and tells the catalog.
    pub(crate) async fn build_star(&self, star: &Star, ways: &Ways, options: BuildOptions) -> StarReport {
        (ways.listener)(&RunEvent::StarStarted { star: star.name().to_owned() });
        let mut report = StarReport { star: star.name().to_owned(), tables: Vec::new(), problem: None };
        match self.build_and_record(star, ways, options).await {
            Ok(built) => {
                let table = |table: &headwater_lake::star::TableReport| StarTable {
                    table: table.table.to_string(),
                    rows: table.rows,
                };
                report.tables = built.tables.iter().map(table).collect();
            }
            Err(error) => report.problem = Some(Problem::of(&error)),
        }
        (ways.listener)(&RunEvent::StarEnded { star: report.clone() });
        report
    }

    async fn build_and_record(&self, star: &Star, ways: &Ways, options: BuildOptions) -> Result<BuildReport, RunError> {
        let built = build(&self.lake, star, options).await?;
        self.record_star(star, &built, ways.run).await?;
        Ok(built)
    }
}

impl Lakehouse {
    /// Builds the named stars, or all, whether their inputs changed or not.
    ///
    /// # Errors
    ///
    /// [`RunError`] when a star is unknown or nothing may be written. What went wrong with single stars is in the report.
    pub async fn build_stars(
        &self,
        select: &[String],
        options: BuildOptions,
        listener: std::sync::Arc<crate::run::Listener>,
        stop: &crate::run::Stop,
    ) -> Result<RunReport, RunError> {
        let stars = self.stars(select)?;
        let presence = self.begin_to_write().await?;
        let started_at = self.lake.clock.now();
        let run = self.lake.ledger.begin_run("star build").await?;
        let ways = Ways { windows_at_once: 1, listener, stop: stop.clone(), run };
        let mut report = RunReport {
            run,
            started_at,
            finished_at: started_at,
            streams: Vec::new(),
            stars: Vec::new(),
            was_stopped: false,
            is_strict: false,
        };
        for star in &stars {
            report.stars.push(self.build_star(star, &ways, options).await);
        }
        report.finished_at = self.lake.clock.now();
        let text = serde_json::to_value(&report).unwrap_or_default();
        self.lake.ledger.finish_run(run, report.outcome(), &text).await?;
        drop(presence);
        Ok(report)
    }
}
