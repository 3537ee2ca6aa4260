//! Logins and credentials: a stand-in vendor issues tokens where the manifest says, and refuses requests that do not carry what it says.
//!
//! Of a signature it looks whether one is there; that it is right is proved with the vendors' own examples in the tests of `auth`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::place::place;
use crate::auth::{Auth, Expiry, Grant, OAuth2, Step, Taken, Words};
use crate::conformance::server::{Asked, Reply};
use crate::decoding::Pointer;
use crate::expression::{Scope, Template};
use crate::manifest::Manifest;
use crate::windowing::write_instant;

/// How what was issued for logins begins, and how it ends.
const ACCESS: &str = "hw0a";
const REFRESH: &str = "hw0r";
const END: char = 'z';
/// How long a token is good.
const LASTS_SECONDS: i64 = 3_600;

#[derive(Debug)]
enum Kind {
    Token(Box<OAuth2>),
    Step(Box<Step>),
    Revoke,
}

/// One place to log in at.
#[derive(Debug)]
struct Door {
    /// A path of ours, or one after the base URL.
    path: Result<String, Template>,
    kind: Kind,
}

/// All places to log in at, and what they issued.
#[derive(Debug, Default)]
pub(in crate::conformance) struct Logins {
    doors: Vec<Door>,
    issued: u64,
    /// Tokens up to this one are not good any more.
    revoked: u64,
    /// The refresh token that is good now, where one was issued.
    refresh: Option<String>,
    /// How often somebody logged in.
    pub(in crate::conformance) count: usize,
}

impl Logins {
    /// Moves all places to log in at to `origin`.
    pub(in crate::conformance) fn relocate(manifest: &mut Manifest, origin: &str) -> Self {
        let mut logins = Self::default();
        logins.walk(&mut manifest.http.auth, origin);
        let streams =
            manifest.streams.values_mut().chain(manifest.templates.values_mut()).chain(&mut manifest.defaults);
        for auth in streams.filter_map(|stream| stream.auth.as_mut()) {
            logins.walk(auth, origin);
        }
        logins
    }

    fn walk(&mut self, auth: &mut Auth, origin: &str) {
        match auth {
            Auth::OAuth2(oauth2) => {
                let before = oauth2.clone();
                self.moved(&mut oauth2.token_url, origin, Kind::Token(before));
                if let Some(url) = &mut oauth2.revoke_url {
                    self.moved(url, origin, Kind::Revoke);
                }
                oauth2.consent = None;
                if let Some(send) = &mut oauth2.send {
                    self.walk(send, origin);
                }
            }
            Auth::Session(session) => {
                for step in &mut session.steps {
                    let before = Box::new(step.clone());
                    self.moved(&mut step.url, origin, Kind::Step(before));
                    if let Some(auth) = &mut step.auth {
                        self.walk(auth, origin);
                    }
                }
                self.walk(&mut session.send, origin);
            }
            Auth::Jwt(jwt) => jwt.send.iter_mut().for_each(|send| self.walk(send, origin)),
            Auth::Tokens(tokens) => tokens.send.iter_mut().for_each(|send| self.walk(send, origin)),
            Auth::Hmac(hmac) => {
                hmac.before.iter_mut().for_each(|before| self.walk(before, origin));
                self.walk(&mut hmac.send, origin);
            }
            Auth::All(all) => all.iter_mut().for_each(|auth| self.walk(auth, origin)),
            Auth::Choose(choose) => choose.among.values_mut().for_each(|auth| self.walk(auth, origin)),
            _ => {}
        }
    }

    fn moved(&mut self, url: &mut Template, origin: &str, kind: Kind) {
        let path = if url.as_str().starts_with('/') {
            Err(url.clone())
        } else {
            let path = format!("/_login/{}", self.doors.len());
            if let Ok(moved) = Template::parse(&format!("{origin}{path}")) {
                *url = moved;
            }
            Ok(path)
        };
        self.doors.push(Door { path, kind });
    }

    /// The answer to a login, when the request is one.
    pub(super) fn answer(&mut self, asked: &Asked, base: &str, scope: &Scope, now: DateTime<Utc>) -> Option<Reply> {
        let base = base.trim_end_matches('/');
        let is_at = |door: &&Door| match &door.path {
            Ok(path) => asked.path == *path,
            Err(template) => {
                asked.path.strip_prefix(base).is_some_and(|path| template.unfill(path, scope, true).is_some())
            }
        };
        let at = self.doors.iter().position(|door| is_at(&door))?;
        let door = self.doors.get(at)?;
        let reply = match &door.kind {
            Kind::Revoke => Reply::json(&json!({})),
            Kind::Token(oauth2) => {
                let sent = asked.haystack();
                let is_stale = matches!(oauth2.grant, Grant::RefreshToken(_))
                    && self.refresh.as_ref().is_some_and(|good| !sent.contains(good.as_str()));
                if is_stale {
                    return Some(Reply::text(400, r#"{"error":"invalid_grant"}"#));
                }
                let token = format!("{ACCESS}{}{END}", self.issued + 1);
                let refresh = format!("{REFRESH}{}{END}", self.issued + 1);
                let reply = Reply::json(&token_answer(oauth2, &token, &refresh, now));
                self.refresh = matches!(oauth2.grant, Grant::RefreshToken(_)).then_some(refresh);
                reply
            }
            Kind::Step(step) => step_answer(step, &format!("{ACCESS}{}{END}", self.issued + 1), now),
        };
        self.issued += 1;
        self.count += 1;
        Some(reply)
    }

    /// Lets no token be good that was issued so far.
    pub(in crate::conformance) fn revoke(&mut self) {
        self.revoked = self.issued;
    }

    /// Whether a text holds a token that is good.
    fn is_good(&self, text: &str) -> bool {
        text.split(ACCESS).skip(1).any(|rest| {
            let digits = rest.split(END).next().and_then(|digits| digits.parse::<u64>().ok());
            digits.is_some_and(|number| number > self.revoked && number <= self.issued)
        })
    }

    /// Why a request does not prove who sends it, by the way in that the manifest says; `known` are settings and secrets.
    pub(super) fn lacks(&self, auth: &Auth, asked: &Asked, known: &BTreeMap<String, String>) -> Option<String> {
        let holds = |what: &str, found: Option<String>, words: &Words, before: &str| match found {
            None => Some(format!("the request has no {what}")),
            Some(found) => {
                let is_right = match expected(words, known) {
                    Some(text) => found == format!("{before}{text}"),
                    // What a login issued, or a signature.
                    None if found.contains(ACCESS) => self.is_good(&found),
                    None => found.len() > before.len(),
                };
                (!is_right).then(|| format!("{what} does not hold the credential"))
            }
        };
        let header = |name: &str| asked.header(name).map(str::to_owned);
        let bearer =
            |name: &str| holds("header `authorization`", header("authorization"), &Words::name(name), "Bearer ");
        let sent = |send: &Option<Box<Auth>>, name: &str| match send {
            Some(send) => self.lacks(send, asked, known),
            None => bearer(name),
        };
        match auth {
            Auth::None | Auth::Tls(_) => None,
            Auth::Bearer(words) => holds("header `authorization`", header("authorization"), words, "Bearer "),
            Auth::Header(key) => holds(&format!("header `{}`", key.name), header(&key.name), &key.value, &key.prefix),
            Auth::Query(key) => {
                holds(&format!("parameter `{}`", key.param), asked.query(&key.param).map(str::to_owned), &key.value, "")
            }
            Auth::Cookie(key) => {
                let pairs = asked.header("cookie").unwrap_or_default().to_owned();
                let mut pairs = pairs.split(';').filter_map(|pair| pair.trim().split_once('='));
                let found = pairs.find(|(name, _)| *name == key.name).map(|(_, value)| value.to_owned());
                holds(&format!("cookie `{}`", key.name), found, &key.value, "")
            }
            Auth::Body(key) => {
                let form = asked.form.iter().find(|(name, _)| *name == key.field).map(|(_, value)| value.clone());
                let found = form.or_else(|| super::plain(Pointer::parse(&key.field).find(&asked.json)?));
                holds(&format!("field `{}` of the body", key.field), found, &key.value, "")
            }
            Auth::Basic(basic) => {
                let password = basic.password.as_ref().map_or(Some(String::new()), |words| expected(words, known));
                let pair = expected(&basic.user, known).zip(password);
                let text = pair.map(|(user, password)| STANDARD.encode(format!("{user}:{password}")));
                let words = text.map_or_else(|| Words::name("yielded"), Words::Text);
                holds("header `authorization`", header("authorization"), &words, "Basic ")
            }
            Auth::OAuth2(oauth2) => sent(&oauth2.send, "access_token"),
            Auth::Jwt(jwt) => sent(&jwt.send, "jwt"),
            Auth::Tokens(tokens) => sent(&tokens.send, "token"),
            Auth::Session(session) => self.lacks(&session.send, asked, known),
            Auth::Hmac(hmac) => self.lacks(&hmac.send, asked, known),
            Auth::AwsSigV4(_) => {
                holds("header `authorization`", header("authorization"), &Words::name("signed"), "AWS4-HMAC-SHA256 ")
            }
            Auth::OAuth1(_) => {
                holds("header `authorization`", header("authorization"), &Words::name("signed"), "OAuth ")
            }
            Auth::All(all) => all.iter().find_map(|auth| self.lacks(auth, asked, known)),
            Auth::Choose(choose) => {
                let chosen = known.get(&choose.by).and_then(|name| choose.among.get(name));
                chosen.and_then(|auth| self.lacks(auth, asked, known))
            }
        }
    }
}

/// Whether a way in can be renewed when the source refuses it.
pub(in crate::conformance) fn renews(auth: &Auth, known: &BTreeMap<String, String>) -> bool {
    match auth {
        Auth::OAuth2(_) | Auth::Session(_) => true,
        Auth::All(all) => all.iter().any(|auth| renews(auth, known)),
        Auth::Choose(choose) => {
            known.get(&choose.by).and_then(|name| choose.among.get(name)).is_some_and(|auth| renews(auth, known))
        }
        _ => false,
    }
}

/// The text that a credential is made of; nothing where a login or a signature yields it.
fn expected(words: &Words, known: &BTreeMap<String, String>) -> Option<String> {
    match words {
        Words::Name(name) => known.get(name).cloned(),
        Words::Text(text) => Some(text.clone()),
        Words::First(names) => names.iter().find_map(|name| known.get(name).cloned()),
        Words::Computed(computed) => {
            let text = |text: &String| crate::expression::Scalar::Text(text.clone());
            let scope: Scope = known.iter().map(|(name, value)| (name.clone(), text(value))).collect();
            computed.expression.evaluate(&scope).ok()?.as_str().map(str::to_owned)
        }
        Words::Template(template) => {
            let mut scope = Scope::new();
            for name in template.names() {
                scope.insert(name.to_owned(), crate::expression::Scalar::Text(known.get(name)?.clone()));
            }
            template.fill(&scope).ok()
        }
    }
}

fn token_answer(oauth2: &OAuth2, token: &str, refresh: &str, now: DateTime<Utc>) -> Value {
    let mut body = json!({});
    place(&mut body, oauth2.answer.access_token.segments(), json!(token));
    if matches!(oauth2.grant, Grant::RefreshToken(_)) {
        place(&mut body, oauth2.answer.refresh_token.segments(), json!(refresh));
    }
    for (name, pointer) in oauth2.answer.take.iter() {
        place(&mut body, pointer.segments(), json!(format!("{token}-{name}")));
    }
    match &oauth2.answer.expires {
        None => drop(place(&mut body, &["expires_in".to_owned()], json!(LASTS_SECONDS))),
        Some(expiry) => put_expiry(&mut body, expiry, now),
    }
    body
}

fn put_expiry(body: &mut Value, expiry: &Expiry, now: DateTime<Utc>) {
    let (pointer, value) = match expiry {
        Expiry::InSeconds(pointer) => (pointer, json!(LASTS_SECONDS)),
        Expiry::InMilliseconds(pointer) => (pointer, json!(LASTS_SECONDS * 1_000)),
        Expiry::InMinutes(pointer) => (pointer, json!(LASTS_SECONDS / 60)),
        Expiry::At(instant) => {
            let end = now + TimeDelta::seconds(LASTS_SECONDS);
            (&instant.field, write_instant(end, &instant.format).unwrap_or_default())
        }
    };
    place(body, pointer.segments(), value);
}

fn step_answer(step: &Step, token: &str, now: DateTime<Utc>) -> Reply {
    let (mut body, mut headers, mut text) = (json!({}), Vec::new(), None);
    for (name, taken) in step.take.iter() {
        let value = format!("{token}-{name}");
        match taken {
            Taken::Field(pointer) => drop(place(&mut body, pointer.segments(), json!(value))),
            Taken::Header(header) => headers.push((header.clone(), value)),
            Taken::Cookie(cookie) => headers.push(("Set-Cookie".to_owned(), format!("{cookie}={value}; Path=/"))),
            Taken::Text => text = Some(value),
        }
    }
    if let Some(expiry) = &step.expires {
        put_expiry(&mut body, expiry, now);
    }
    let mut reply = text.map_or_else(|| Reply::json(&body), |text| Reply::text(200, text));
    reply.headers.extend(headers);
    reply
}
