//! The evidence that is committed: what the descriptions said of every manifest when they were last held together.
//!
//! Nobody types a verdict. The file is written by [`verify_all`] alone, in one order, so that a change of it is a change of what is known;
//! a manifest that changed since reads *unverified*.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use headwater_contract::Digest16;
use serde::{Deserialize, Serialize};

use super::report::{Counts, DocumentInfo, FactKind, FactReport, Standing, Verdict, VerifyReport};
use super::{VerifyError, verify};
use crate::connector::Connector;
use crate::description::{Description, Provenance};
use crate::library::Library;

/// The version of the file's form.
const FORMAT: u32 = 1;

/// What is known of all connectors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The version of the file's form.
    pub format: u32,
    /// By connector.
    pub connectors: BTreeMap<String, ConnectorEvidence>,
}

/// What a description said of one manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorEvidence {
    /// Digest of the manifest that was verified.
    pub manifest: Digest16,
    /// Whose description it is.
    pub vendor: String,
    /// Who vouches for it.
    pub provenance: Provenance,
    /// Digest of the description.
    pub description: Digest16,
    /// By stream.
    pub streams: BTreeMap<String, StreamEvidence>,
}

/// What a description said of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamEvidence {
    /// How well it is known.
    pub standing: Standing,
    /// The document that has its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentInfo>,
    /// Whether the vendor says that it will take the operation away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deprecated: bool,
    /// Columns that were found; the others stand among the facts.
    pub columns_found: usize,
    /// The facts.
    pub facts: Vec<FactReport>,
}

impl StreamEvidence {
    /// How many facts got each verdict.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.facts).and(Counts { found: self.columns_found, ..Counts::default() })
    }
}

impl From<&VerifyReport> for ConnectorEvidence {
    fn from(report: &VerifyReport) -> Self {
        let streams = report.streams.iter().map(|stream| {
            let is_found_column = |fact: &&FactReport| fact.kind == FactKind::Column && fact.verdict == Verdict::Found;
            let evidence = StreamEvidence {
                standing: stream.standing,
                document: stream.document.clone(),
                is_deprecated: stream.is_deprecated,
                columns_found: stream.facts.iter().filter(is_found_column).count(),
                facts: stream.facts.iter().filter(|fact| !is_found_column(fact)).cloned().collect(),
            };
            (stream.stream.clone(), evidence)
        });
        Self {
            manifest: report.manifest,
            vendor: report.vendor.clone(),
            provenance: report.provenance.clone(),
            description: report.description,
            streams: streams.collect(),
        }
    }
}

static EMBEDDED: LazyLock<Evidence> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../evidence.json")).unwrap_or_default());

impl Evidence {
    /// The evidence in the binary.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// What is known of a connector whose manifest has this digest; nothing when the manifest changed since.
    pub fn of(&self, connector: &str, manifest: Digest16) -> Option<&ConnectorEvidence> {
        self.connectors.get(connector).filter(|evidence| evidence.manifest == manifest)
    }

    /// Whether there is evidence of another text of this connector's manifest.
    pub fn is_outdated(&self, connector: &str, manifest: Digest16) -> bool {
        self.connectors.get(connector).is_some_and(|evidence| evidence.manifest != manifest)
    }

    /// How well a stream is known: by its evidence, else by the documentation that it links. A stream whose list of keys is known less
    /// is known no better than the list.
    pub fn standing(&self, connector: &Connector, stream: &str, docs: &str) -> Standing {
        let name = connector.name();
        let known = self.of(name, connector.digest());
        let of =
            |stream: &str| known.and_then(|evidence| evidence.streams.get(stream)).map(|evidence| evidence.standing);
        if let Some(standing) = of(stream) {
            return of(&format!("{stream}__keys")).map_or(standing, |keys| keys.min(standing));
        }
        let is_linked = docs.starts_with("https://") || docs.starts_with("http://");
        if is_linked && !self.is_outdated(name, connector.digest()) {
            Standing::Documented
        } else {
            Standing::Unverified
        }
    }

    /// The file's text: one fact a line, in the order of names and of a request.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Unwritable`], which these types never cause.
    pub fn to_text(&self) -> Result<String, VerifyError> {
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| VerifyError::Unwritable { reason: error.to_string() })
        };
        let mut text = format!("{{\n\"format\": {},\n\"connectors\": {{", self.format);
        for (at, (name, connector)) in self.connectors.iter().enumerate() {
            text.push_str(if at > 0 { ",\n" } else { "\n" });
            text.push_str(&format!(
                "{}: {{\n \"manifest\": \"{}\",\n \"vendor\": {}, \"provenance\": {}, \"description\": \"{}\",\n \"streams\": {{",
                json(serde_json::to_string(name))?,
                connector.manifest,
                json(serde_json::to_string(&connector.vendor))?,
                json(serde_json::to_string(&connector.provenance))?,
                connector.description,
            ));
            for (at, (name, stream)) in connector.streams.iter().enumerate() {
                text.push_str(if at > 0 { ",\n" } else { "\n" });
                let head = StreamEvidence { facts: Vec::new(), ..stream.clone() };
                let head = json(serde_json::to_string(&head))?;
                let head = head.strip_suffix("[]}").unwrap_or(&head);
                text.push_str(&format!("  {}: {head}[", json(serde_json::to_string(name))?));
                for (at, fact) in stream.facts.iter().enumerate() {
                    text.push_str(if at > 0 { ",\n" } else { "\n" });
                    text.push_str(&format!("   {}", json(serde_json::to_string(fact))?));
                }
                text.push_str("]}");
            }
            text.push_str("}}");
        }
        text.push_str("}}\n");
        Ok(text)
    }
}

/// What verifying every connector yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifiedAll {
    /// The folder of descriptions is absent.
    Skipped,
    /// It was read.
    Done {
        /// What is known now.
        evidence: Evidence,
        /// The reports, by connector.
        reports: Vec<VerifyReport>,
        /// Connectors of whose vendor the folder has no description.
        without: Vec<String>,
    },
}

impl VerifiedAll {
    /// The outcome in a few lines.
    pub fn summary(&self) -> String {
        let Self::Done { reports, without, .. } = self else { return "skipped: no specs\n".to_owned() };
        let counts = reports.iter().map(VerifyReport::counts).fold(Counts::default(), Counts::and);
        let standings = |standing: Standing| {
            reports.iter().flat_map(|report| &report.streams).filter(|stream| stream.standing == standing).count()
        };
        let mut text = String::new();
        for report in reports {
            let counts = report.counts();
            text.push_str(&format!(
                "{:<24} {:<22} {} found, {} contradicted, {} not covered\n",
                report.connector,
                report.provenance.to_string(),
                counts.found,
                counts.contradicted,
                counts.not_covered
            ));
        }
        text.push_str(&format!(
            "{} connectors: {} found, {} contradicted, {} not covered; {} streams verified, {} cross-checked, {} documented, {} unverified\n",
            reports.len(),
            counts.found,
            counts.contradicted,
            counts.not_covered,
            standings(Standing::Verified),
            standings(Standing::CrossChecked),
            standings(Standing::Documented),
            standings(Standing::Unverified),
        ));
        if !without.is_empty() {
            text.push_str(&format!("no description of: {}\n", without.join(", ")));
        }
        text
    }
}

/// Verifies every connector of `library` against the descriptions in the folder `specs`.
///
/// # Errors
///
/// [`VerifyError`] when a manifest or a description that is there cannot be read.
pub fn verify_all(library: &Library, specs: &Path) -> Result<VerifiedAll, VerifyError> {
    if !specs.is_dir() {
        return Ok(VerifiedAll::Skipped);
    }
    let mut evidence = Evidence { format: FORMAT, connectors: BTreeMap::new() };
    let (mut reports, mut without) = (Vec::new(), Vec::new());
    for name in library.names() {
        let connector = library.get(name)?;
        let Some(file) = description_file(&connector, specs) else {
            without.push(name.to_owned());
            continue;
        };
        let report = verify(&connector, &Description::open(&file)?)?;
        evidence.connectors.insert(name.to_owned(), ConnectorEvidence::from(&report));
        reports.push(report);
    }
    Ok(VerifiedAll::Done { evidence, reports, without })
}

/// The file that describes a connector's vendor: the one that the manifest names, else the one of the connector's name.
pub(crate) fn description_file(connector: &Connector, specs: &Path) -> Option<PathBuf> {
    let vendor = connector.manifest().description.clone().unwrap_or_else(|| connector.name().replace('_', "-"));
    if vendor.contains(['/', '\\']) || vendor.starts_with('.') {
        return None;
    }
    let folders = [specs.join("slim"), specs.to_owned()];
    let endings = ["json.gz", "json", "yaml", "yml"];
    folders
        .iter()
        .flat_map(|folder| endings.iter().map(|ending| folder.join(format!("{vendor}.{ending}"))))
        .find(|file| file.is_file())
}
