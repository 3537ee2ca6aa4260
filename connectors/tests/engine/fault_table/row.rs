//! One fault: how it is injected on a server of its own, and what must come of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use headwater_connectors::{Connector, ReadRequest, SettingValue, Source, SourceError, SourceOptions};
use headwater_contract::{ReadEvent, ReadSummary, Secret, Slice, SourceName, TimeRange};
use serde_json::{Value, json};

use crate::server::{Asked, Reply, Server};
use crate::work::{SECRET, day, options, whole};

/// A small API with a stream for every shape that a fault needs; `AUTH` and `SECRETS` stand for how it is opened.
const SHOP: &str = include_str!("shop.yaml");
/// How the table's own readings are opened.
const AUTH: &str = "{ query: { param: key, value: key } }";

pub(crate) type Answers = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;
type Change = Arc<dyn Fn(&mut Scene) + Send + Sync>;

/// What must come of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// An error of this code.
    Fails(&'static str),
    /// All records `1..=n`, and nothing else.
    Reads(i64),
    /// The records `1..=n`, and so many texts that are no records of use, each as it came.
    Spoils(i64, usize),
    /// No record, and so many requests that are counted as left out.
    Skips(u32),
}

/// One line of the table.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    pub(crate) ends: Ends,
    /// Requests that the server sees.
    pub(crate) asked: usize,
    /// What the engine does, for people.
    pub(crate) does: &'static str,
    /// Its body is so large that it is not read in every way.
    pub(crate) is_large: bool,
    stream: &'static str,
    auth: Option<&'static str>,
    answers: Answers,
    change: Change,
}

/// What is opened and read.
pub(crate) struct Scene {
    pub(crate) text: String,
    pub(crate) options: SourceOptions,
    pub(crate) settings: BTreeMap<String, SettingValue>,
    pub(crate) request: ReadRequest,
}

impl Scene {
    pub(crate) fn replace(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "`{from}` is not in the manifest");
        self.text = self.text.replace(from, to);
    }
}

/// How a source is opened: the YAML under `auth`, and the secrets that it names.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) auth: String,
    pub(crate) secrets: Vec<(String, String)>,
    /// What answers to the requests of a login.
    pub(crate) login: Answers,
}

/// What a reading yielded, with its texts as they came.
#[derive(Debug, Default)]
pub(crate) struct Yielded {
    pub(crate) events: Vec<ReadEvent>,
    pub(crate) texts: Vec<Bytes>,
    pub(crate) summary: ReadSummary,
    /// Why it ended before its end.
    pub(crate) error: Option<SourceError>,
}

/// What came of one injection.
pub(crate) struct Ran {
    pub(crate) server: Server,
    pub(crate) options: SourceOptions,
    /// Nothing where it could not even be opened.
    pub(crate) source: Option<Source>,
    pub(crate) yielded: Yielded,
}

impl Row {
    /// A fault of stream `rows`, whose every answer this is.
    pub(crate) fn new(fault: &'static str, answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            fault,
            ends: Ends::Reads(0),
            asked: 0,
            does: "",
            is_large: false,
            stream: "rows",
            auth: None,
            answers: Arc::new(answers),
            change: Arc::new(|_| ()),
        }
    }

    pub(crate) fn on(self, stream: &'static str) -> Self {
        Self { stream, ..self }
    }

    /// With a way in of its own, which the fault is about.
    pub(crate) fn auth(self, auth: &'static str) -> Self {
        Self { auth: Some(auth), ..self }
    }

    pub(crate) fn with(self, change: impl Fn(&mut Scene) + Send + Sync + 'static) -> Self {
        let before = self.change;
        let both = move |scene: &mut Scene| {
            before(scene);
            change(scene);
        };
        Self { change: Arc::new(both), ..self }
    }

    pub(crate) fn large(self) -> Self {
        Self { is_large: true, ..self }
    }

    pub(crate) fn fails(self, code: &'static str, asked: usize, does: &'static str) -> Self {
        Self { ends: Ends::Fails(code), asked, does, ..self }
    }

    pub(crate) fn ends(self, ends: Ends, asked: usize, does: &'static str) -> Self {
        Self { ends, asked, does, ..self }
    }

    /// Whether it is about a way in, so that no other one can be tried on it.
    pub(crate) fn has_own_way(&self) -> bool {
        self.auth.is_some()
    }

    /// Injects it and reads, in a way of its own or in the given one.
    pub(crate) async fn run(&self, way: Option<&Way>) -> Ran {
        let server = self.serve(way.filter(|_| self.auth.is_none())).await;
        let auth = self.auth.or(way.map(|way| way.auth.as_str())).unwrap_or(AUTH);
        let secrets = match way {
            Some(way) => way.secrets.clone(),
            None => ["key", "other"].map(|name| (name.to_owned(), SECRET.to_owned())).to_vec(),
        };
        let declared =
            secrets.iter().map(|(name, _)| format!("  {name}: {{ secret: true, optional: true, help: h }}\n"));
        let mut text = SHOP.replace("AUTH", auth).replace("ORIGIN", &server.origin);
        text = text.replace("  SECRETS\n", &declared.collect::<String>());
        let mut options = options(&[server.address()]);
        options.secrets = secrets.iter().map(|(name, text)| (name.clone(), Secret::new(text.clone()))).collect();
        let request =
            if self.stream == "searched" { ReadRequest { bounds: Some(one_day()), ..whole() } } else { whole() };
        let mut scene = Scene { text, options, settings: BTreeMap::new(), request };
        (self.change)(&mut scene);
        let parsed = Connector::parse(&scene.text, "shop.yaml");
        let connector = parsed.unwrap_or_else(|error| panic!("{}: {error}\n{}", self.fault, error.snippet()));
        let name = SourceName::new("shop").unwrap();
        match Source::open(Arc::new(connector), name, scene.settings, scene.options.clone()) {
            Ok(source) => {
                let yielded = tokio::time::timeout(Duration::from_mins(2), take(&source, self.stream, scene.request));
                let yielded = yielded.await.unwrap_or_else(|_| panic!("{}: it never ends", self.fault));
                Ran { server, options: scene.options, source: Some(source), yielded }
            }
            Err(error) => {
                let yielded = Yielded { error: Some(error), ..Yielded::default() };
                Ran { server, options: scene.options, source: None, yielded }
            }
        }
    }

    /// Answers as the row says, and to logins as the way does; what the row sees is numbered without logins.
    async fn serve(&self, way: Option<&Way>) -> Server {
        let (answers, login) = (Arc::clone(&self.answers), way.map(|way| Arc::clone(&way.login)));
        let count = AtomicUsize::new(0);
        Server::start(move |asked| match &login {
            Some(login) if asked.path.starts_with("/api/login") => login(asked),
            _ => answers(&Asked { number: count.fetch_add(1, Ordering::SeqCst), ..asked.clone() }),
        })
        .await
    }
}

/// A request for one slice.
pub(crate) fn slice(name: &str) -> ReadRequest {
    ReadRequest { slice: Slice::named(name), bounds: None, token: None }
}

pub(crate) fn one_day() -> TimeRange {
    day("2024-03-01")
}

/// Reads until an end or an error, and keeps all that came until then.
pub(crate) async fn take(source: &Source, stream: &str, request: ReadRequest) -> Yielded {
    let (mut reading, mut yielded) = (source.read(stream, request), Yielded::default());
    while let Some(event) = reading.next().await {
        match event {
            Ok(event) => {
                match &event {
                    ReadEvent::Records(records) => yielded.texts.extend(records.texts.iter().cloned()),
                    ReadEvent::Done(summary) => yielded.summary = summary.clone(),
                    ReadEvent::Exchange(_) | ReadEvent::Chunk(_) => {}
                }
                yielded.events.push(event);
            }
            Err(error) => yielded.error = Some(error),
        }
    }
    yielded
}

/// A page of these ids.
pub(crate) fn page(ids: impl IntoIterator<Item = i64>, next: impl Into<Value>) -> Reply {
    let rows: Vec<Value> = ids.into_iter().map(|id| json!({ "id": id })).collect();
    Reply::json(&json!({ "data": rows, "next": next.into() }))
}

/// One good page of three rows.
pub(crate) fn good() -> Reply {
    page(1..=3, Value::Null)
}

/// A page of its own for each request, and another one after it.
pub(crate) fn endless(asked: &Asked) -> Reply {
    page([number(asked) + 1], number(asked) + 1)
}

pub(crate) fn number(asked: &Asked) -> i64 {
    i64::try_from(asked.number).unwrap()
}

pub(crate) fn bytes(body: impl Into<Vec<u8>>) -> Reply {
    Reply { body: body.into(), ..Reply::text(200, "") }
}
