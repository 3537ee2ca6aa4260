//! The one door to the network.
//!
//! Whatever is asked of a source goes through here: pace, credential, pinned origin, public addresses, redirects, bounds, and the
//! reading of refusals. So a rule that holds here holds for every connector.

mod address;
mod answer;
mod body;
mod exchange;
mod judge;
mod origin;
mod prepared;
mod redact;

pub(crate) use answer::Answer;
pub use body::{BODY_BYTES_MAX, INFLATION_FREE_BYTES, INFLATION_MAX};
pub(crate) use exchange::Reply;
pub(crate) use prepared::Prepared;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use headwater_contract::{Clock, Digest16};
use reqwest::header::HeaderMap;
use url::Url;

use crate::auth::Caller;
use crate::decoding::{BodyFacts, PageFacts, Pointer};
use crate::error::Fault;
use crate::limits::{
    Again, Learner, Load, Pace, PaceOptions, Patience, QuotaStore, Retries, Shown, Waiting, http_date, jitter,
};
use crate::manifest::{ActualCost, Limit, Method, Quota, Share};
use crate::refusal::{Decision, Refusal, Rules};
use address::{Guard, PrivateAddress, is_public};
use origin::Pins;
use redact::Redactor;

/// How long a host that was not there is taken to be away, so that a hundred windows do not each wait out three tries.
const OUTAGE: Duration = Duration::from_secs(30);
/// Bytes of a URL.
const URL_BYTES_MAX: usize = 64 * 1024;
/// Bytes of all names and values of an answer's headers. The client itself takes at most 100 headers.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// What the client says of a head that is too large for it; it has no type for that.
const HEAD_TOO_LARGE: &str = "message head is too large";
/// What rustls says where no safe connection comes to be (its `Error`); the client passes on the words and hides the type.
const TLS_FAILED: [&str; 4] =
    ["invalid peer certificate", "received fatal alert", "peer is incompatible", "received corrupt message"];
/// Redirects that are followed, within the pinned origins.
const REDIRECTS_MAX: usize = 5;
/// A request before its caller's credential is put on.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(String, String)>,
    /// Content type and bytes.
    pub(crate) body: Option<(Cow<'static, str>, Bytes)>,
    /// What is done about answers that are no data.
    pub(crate) rules: Rules,
    /// On whose behalf it is sent.
    pub(crate) caller: Caller,
    /// What it counts as within the limits.
    pub(crate) load: Load,
}

impl Request {
    pub(crate) fn method_name(&self) -> &'static str {
        self.method.name()
    }
}

/// What a transport is made of.
#[derive(Debug)]
pub(crate) struct TransportOptions<'a> {
    pub(crate) base: &'a Url,
    /// Where the paths of streams start that have a `base_url` of their own.
    pub(crate) own_bases: &'a [Url],
    pub(crate) other_origins: &'a [Url],
    pub(crate) allow_private: &'a [String],
    /// Where requests go through, when the project says so.
    pub(crate) proxy: Option<&'a Url>,
    /// URLs at which its logins take place, as the manifest names them.
    pub(crate) login_urls: &'a [Url],
    /// Query parameters that hold a secret.
    pub(crate) secret_params: Vec<String>,
    pub(crate) secrets: &'a [headwater_contract::Secret],
    pub(crate) limits: Option<&'a [Limit]>,
    pub(crate) quotas: Vec<Quota>,
    pub(crate) actual_cost: Option<ActualCost>,
    /// The share of what a day allows that the project wants to use.
    pub(crate) quota_share: Share,
    pub(crate) store: Arc<dyn QuotaStore>,
    /// The connector's name, and what tells its credential from others.
    pub(crate) identity: (&'a str, Digest16),
    pub(crate) patience: Patience,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) waiting: Arc<dyn Waiting>,
}

/// Sends requests of one source.
#[derive(Debug)]
pub(crate) struct Transport {
    client: reqwest::Client,
    pins: Pins,
    allowed_hosts: Vec<String>,
    proxy: Option<reqwest::Proxy>,
    redactor: Redactor,
    pace: Pace,
    learner: Learner,
    patience: Patience,
    clock: Arc<dyn Clock>,
    waiting: Arc<dyn Waiting>,
    /// When all tries of a request last ended without any answer.
    outage: Mutex<Option<Instant>>,
}

impl Transport {
    pub(crate) fn new(options: TransportOptions<'_>) -> Result<Self, Fault> {
        let pins = Pins::new(options.base, options.own_bases, options.other_origins, options.allow_private);
        let bases = std::iter::once(options.base).chain(options.own_bases);
        let named = bases.chain(options.other_origins).chain(options.login_urls);
        let listed = named.filter(|url| pins.is_listed_private(url));
        let allowed_hosts: Vec<String> = listed.filter_map(Url::host_str).map(str::to_owned).collect();
        let proxy = options.proxy.map(proxy_to).transpose()?;
        let allowed_hosts = allowed_hosts.into_iter().chain(options.proxy.and_then(Url::host_str).map(str::to_owned));
        let allowed_hosts: Vec<String> = allowed_hosts.collect();
        let client = build_client(client_builder(allowed_hosts.clone(), proxy.as_ref(), &options.patience))?;
        let (connector, credential) = options.identity;
        let pace = Pace::new(PaceOptions {
            limits: options.limits,
            share: options.quota_share,
            store: options.store,
            host: format!("{connector} {}", pins.base()),
            credential,
            patience: &options.patience,
            clock: Arc::clone(&options.clock),
            waiting: Arc::clone(&options.waiting),
        });
        Ok(Self {
            client,
            pins,
            allowed_hosts,
            proxy,
            redactor: Redactor::new(options.secret_params, options.secrets),
            pace,
            learner: Learner::new(options.quotas, options.actual_cost, options.quota_share),
            patience: options.patience,
            clock: options.clock,
            waiting: options.waiting,
            outage: Mutex::new(None),
        })
    }

    /// Bounds of trying and waiting.
    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// All tries of one request.
    pub(crate) fn retries(&self) -> Retries {
        Retries::new(&self.patience)
    }

    /// Waits before the refused request is sent again, or gives the fault back when that is not worth it.
    pub(crate) async fn pause(&self, retries: &mut Retries, refusal: impl Into<Refusal>) -> Result<(), Fault> {
        let Refusal { fault, decision } = refusal.into();
        let again = match decision {
            Some(Decision::Retry(again)) => again,
            Some(_) => return Err(*fault),
            None if !fault.may_pass() => return Err(*fault),
            None if matches!(*fault, Fault::Throttled { .. }) => Again::Throttled,
            None => Again::Failed,
        };
        let asked = fault.retry_at().map(|at| (at - self.clock.now()).to_std().unwrap_or(Duration::ZERO));
        if asked.is_some_and(|asked| asked > self.patience.wait_max) {
            return Err(*fault);
        }
        let is_out = matches!(*fault, Fault::Unreachable { .. });
        if is_out && self.was_out_lately() {
            return Err(*fault);
        }
        let Some(pause) = retries.take(&again) else {
            if is_out {
                *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            return Err(*fault);
        };
        let reason = self.words(&fault.to_string());
        tracing::debug!(fault = reason, try_number = retries.used(), "sending a request again");
        // The source said when; others of the credential wait with us, and jitter keeps them from coming back as one.
        let pause = asked.map_or(pause, |asked| asked + jitter(asked / 10).min(pause));
        if matches!(*fault, Fault::Throttled { .. }) {
            self.pace.slow_down().await?;
            self.pace.rest(asked.unwrap_or(pause)).await?;
        } else if let Some(asked) = asked {
            self.pace.rest(asked).await?;
        }
        self.waiting.wait(pause).await;
        Ok(())
    }

    /// Waits.
    pub(crate) async fn wait(&self, span: Duration) {
        self.waiting.wait(span).await;
    }

    /// Asks the pinned origin for its time: one `HEAD` without credential, whose status does not matter.
    pub(crate) async fn date(&self, base: &Url) -> Result<Option<DateTime<Utc>>, Fault> {
        self.admit(base)?;
        let _turn = self.pace.permit(&Load::default(), base.path()).await?;
        let answer = self.client.head(base.clone()).send().await;
        let answer = answer.map_err(|error| self.unreachable(&error, self.pins.base()))?;
        Ok(text_of(answer.headers(), "date").and_then(|date| http_date(&date)))
    }

    /// Whether a request of this source has just used up its tries against a host that is not there: the next ones need only one try to
    /// find that out, or to find it back.
    fn was_out_lately(&self) -> bool {
        let outage = *self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        outage.is_some_and(|since| since.elapsed() < OUTAGE)
    }

    /// Sends one request and returns its answer when it is good. A credential that can be renewed or exchanged gets its second chance here.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, Refusal> {
        loop {
            match self.follow(request).await {
                Err(refusal) if request.caller.recovers(&refusal.fault).await => {
                    let reason = self.words(&refusal.fault.to_string());
                    tracing::debug!(fault = reason, "sending a request again with another credential");
                }
                outcome => return outcome,
            }
        }
    }

    /// Sends one request once and follows its redirects.
    async fn follow(&self, request: &Request) -> Result<Answer, Refusal> {
        let (mut url, mut asked) = (request.url.clone(), Cow::Borrowed(request));
        for _ in 0..=REDIRECTS_MAX {
            let turn = self.pace.permit(&request.load, url.path()).await?;
            let response = self.send_to(&asked, &url).await?;
            let status = response.status().as_u16();
            if matches!(status, 301 | 302 | 303 | 307 | 308) {
                let location = response.headers().get("location").and_then(|value| value.to_str().ok());
                let target = location.and_then(|location| url.join(location).ok());
                url =
                    target.ok_or_else(|| Fault::Rejected { status, says: "a redirect without a target".to_owned() })?;
                if status == 303 {
                    let method = if asked.method == Method::Head { Method::Head } else { Method::Get };
                    asked = Cow::Owned(Request { method, body: None, ..asked.into_owned() });
                }
                continue;
            }
            return self.judge(request, response, url, turn).await;
        }
        Err(Fault::TooManyRedirects { limit: REDIRECTS_MAX }.into())
    }

    async fn send_to(&self, request: &Request, url: &Url) -> Result<reqwest::Response, Fault> {
        self.admit(url)?;
        let method = match request.method {
            Method::Get | Method::GetWithBody => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
            Method::Head => reqwest::Method::HEAD,
        };
        let mut prepared = Prepared::new(method, url.clone());
        prepared.set_header("accept-encoding", "gzip, deflate")?;
        for (name, value) in &request.headers {
            prepared.set_header(name, value)?;
        }
        if let Some((content_type, body)) = &request.body {
            if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                prepared.set_header("content-type", content_type)?;
            }
            prepared.body = body.clone();
        }
        let mut client = &self.client;
        if self.pins.takes_credential(url) {
            request.caller.sign(&mut prepared).await?;
            client = request.caller.client().unwrap_or(client);
        }
        let response = self.dispatch(client, prepared).await?;
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(response)
    }

    /// Puts a request on the wire as it stands.
    async fn dispatch(&self, client: &reqwest::Client, request: Prepared) -> Result<reqwest::Response, Fault> {
        self.redactor.learn(request.secrets());
        let Prepared { method, url, headers, body, .. } = request;
        let origin = url.origin().ascii_serialization();
        let mut builder = client.request(method, url).headers(headers);
        if !body.is_empty() {
            builder = builder.body(body);
        }
        builder.send().await.map_err(|error| self.unreachable(&error, origin))
    }

    /// Refuses what is outside the pinned origins, and private addresses that are written out.
    fn admit(&self, url: &Url) -> Result<(), Fault> {
        if !self.pins.allows(url) {
            return Err(Fault::OriginRefused { url: self.redactor.url(url), pinned: self.pins.base() });
        }
        self.admit_address(url)
    }

    /// Refuses private addresses that are written out, plain HTTP to hosts that the project does not list, and URLs that carry a user:
    /// the client would send it along as a credential.
    fn admit_address(&self, url: &Url) -> Result<(), Fault> {
        if url.as_str().len() > URL_BYTES_MAX {
            return Err(Fault::UrlTooLong { limit: URL_BYTES_MAX });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Fault::OriginRefused { url: self.redactor.url(url), pinned: self.pins.base() });
        }
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match literal {
            Ok(address) if !is_public(address) && !self.pins.is_listed_private(url) => Err(Fault::PrivateAddress {
                host: format!("{host}:{}", url.port_or_known_default().unwrap_or_default()),
                address: address.to_string(),
            }),
            _ if url.scheme() != "https" && !self.pins.is_listed_private(url) => {
                Err(Fault::PlainHttp { host: format!("{host}:{}", url.port_or_known_default().unwrap_or_default()) })
            }
            _ => Ok(()),
        }
    }

    fn unreachable(&self, error: &reqwest::Error, origin: String) -> Fault {
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(inner) = cause {
            if let Some(private) = inner.downcast_ref::<PrivateAddress>() {
                return Fault::PrivateAddress { host: private.host.clone(), address: private.address.to_string() };
            }
            cause = inner.source();
        }
        let reason = plain(error);
        if reason.contains(HEAD_TOO_LARGE) {
            return Fault::HeadTooLarge { limit: HEAD_BYTES_MAX };
        }
        let is_tls = TLS_FAILED.iter().any(|words| reason.contains(words));
        let reason = self.redactor.text(&reason);
        if is_tls {
            return Fault::Tls { origin, reason };
        }
        Fault::Unreachable { origin, reason, timed_out: error.is_timeout() }
    }

    /// A source's own words without secrets, also where they were cut.
    pub(crate) fn words(&self, text: &str) -> String {
        self.redactor.words(text)
    }

    /// A link without the parameters that carry a credential.
    pub(crate) fn link(&self, link: &str) -> String {
        self.redactor.link(link)
    }

    /// The text without secrets.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.redactor.text(text)
    }

    /// Adds the body's fields from which limits are learned.
    pub(crate) fn facts(&self, facts: PageFacts) -> PageFacts {
        self.learner.facts(facts)
    }

    fn told(&self, answer: &Answer, facts: &BodyFacts) -> (Option<Duration>, Option<f64>) {
        let field = |field: &Pointer| facts.body_field(field).cloned();
        let shown = Shown { header: &|name| answer.header(name), field: &field, has_body: true };
        self.learner.told(&shown, self.clock.now())
    }

    /// Learns from a body that came whole what is left of quotas, what the request cost and how much it weighed.
    pub(crate) async fn settle(&self, request: &Request, answer: &Answer, facts: &BodyFacts) -> Result<(), Fault> {
        let (spent, cost) = self.told(answer, facts);
        let beyond = cost.map_or(0.0, |cost| cost - request.load.points);
        self.pace.settle(&request.load, answer.location.path(), answer.received, beyond).await?;
        match spent {
            Some(pause) => self.pace.rest(pause).await,
            None => Ok(()),
        }
    }

    pub(crate) fn redact_url(&self, url: &Url) -> String {
        self.redactor.url(url)
    }
}

/// A client that goes to public addresses and the listed private ones, and follows nothing by itself.
fn client_builder(
    allowed_hosts: Vec<String>,
    proxy: Option<&reqwest::Proxy>,
    patience: &Patience,
) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("headwater/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .no_gzip()
        .min_tls_version(reqwest::tls::Version::TLS_1_2)
        .dns_resolver(Arc::new(Guard::new(allowed_hosts)))
        .connect_timeout(patience.connect_max)
        .read_timeout(patience.silence_max);
    match proxy {
        Some(proxy) => builder.proxy(proxy.clone()),
        None => builder,
    }
}

/// The proxy that the project names. It looks up the names of sources itself, so it is the proxy that must keep to public addresses.
fn proxy_to(url: &Url) -> Result<reqwest::Proxy, Fault> {
    reqwest::Proxy::all(url.clone())
        .map_err(|error| Fault::Internal { facts: format!("the proxy cannot be used: {}", plain(&error)) })
}

fn build_client(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Fault> {
    builder
        .build()
        .map_err(|error| Fault::Internal { facts: format!("the HTTP client cannot be built: {}", plain(&error)) })
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// An error's whole chain in one line, without the URL, which may hold a secret.
fn plain(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        cause = inner.source();
    }
    if parts.is_empty() {
        parts.push(if error.is_timeout() { "no answer in time".to_owned() } else { "the request failed".to_owned() });
    }
    parts.join(": ")
}
