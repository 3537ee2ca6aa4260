//! Settings and secrets of a run: whatever a manifest asks for, of the right type, and keys that can sign.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwater_contract::{ColumnType, Secret, TimestampFormat};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use serde_json::{Value, json};

use crate::auth::{Algorithm, Auth, Grant, Jwt, KeyEncoding, Words};
use crate::connector::Connector;
use crate::manifest::{Ordered, STREAMS, SettingManifest, SettingType, SettingValue};

const RSA: &str = include_str!("keys/rsa.pem");
const CERTIFICATE: &str = include_str!("keys/client.pem");
const CERTIFICATE_KEY: &str = include_str!("keys/client.key");
/// A text that is good as hexadecimal digits and as base64, too.
const DIGITS: &str = "68656164776174657268656164776174";
/// The values of a list.
const LISTED: [&str; 2] = ["alpha", "beta"];
/// Any zone but UTC.
const ZONE: &str = "Europe/Berlin";
/// The first day of everything.
const FIRST_DAY: &str = "2026-01-01T00:00:00Z";

/// What a project would give.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    pub(super) settings: BTreeMap<String, SettingValue>,
    pub(super) secrets: BTreeMap<String, Secret>,
}

impl Given {
    /// Everything that the manifest declares, and a stream for each template that no setting fills in.
    pub(super) fn of(connector: &Connector) -> Self {
        let manifest = connector.manifest();
        let ways: Vec<&Auth> = std::iter::once(&manifest.http.auth)
            .chain(manifest.streams.iter().filter_map(|(_, stream)| stream.auth.as_ref()))
            .chain(manifest.templates.iter().filter_map(|(_, stream)| stream.auth.as_ref()))
            .chain(manifest.defaults.as_ref().and_then(|defaults| defaults.auth.as_ref()))
            .flat_map(Auth::walk)
            .collect();
        let (zones, choices) = (zones(connector), choices(connector, &ways));
        let mut given = Self::default();
        for (name, setting) in manifest.settings.iter() {
            if setting.secret {
                given.secrets.insert(name.to_owned(), Secret::new(secret(name, &ways)));
            } else if let Some(value) = plain(name, setting, &zones, &choices) {
                given.settings.insert(name.to_owned(), value);
            }
        }
        // A key may be in a setting that nobody declared secret.
        for (name, value) in &mut given.settings {
            let key = secret(name, &ways);
            if let SettingValue::Text(text) = value
                && key.starts_with(['-', '{'])
            {
                *text = key;
            }
        }
        let streams = streams(connector);
        if streams.as_object().is_some_and(|streams| !streams.is_empty()) {
            given.settings.insert(STREAMS.to_owned(), SettingValue::Table(streams));
        }
        given
    }

    /// The same for a product that runs at `origin`, where the project says where it runs.
    pub(super) fn at(&self, connector: &Connector, origin: &str) -> Self {
        let mut given = self.clone();
        let settings = connector.manifest().settings.iter();
        for (name, _) in settings.filter(|(_, setting)| setting.setting_type == SettingType::Origin) {
            given.settings.insert(name.to_owned(), SettingValue::Text(origin.to_owned()));
        }
        given
    }

    /// The texts of secrets.
    pub(super) fn secret_texts(&self) -> Vec<String> {
        self.secrets.values().map(|secret| secret.expose().to_owned()).collect()
    }

    /// Settings and secrets as the texts that requests hold.
    pub(super) fn texts(&self, connector: &Connector) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (name, setting) in connector.manifest().settings.iter() {
            let default = || setting.default.as_ref().map(ToString::to_string);
            let text = match (self.secrets.get(name), self.settings.get(name)) {
                (Some(secret), _) => Some(secret.expose().to_owned()),
                (None, Some(SettingValue::Text(text))) => Some(text.clone()),
                (None, Some(SettingValue::Number(number))) => Some(number.to_string()),
                (None, Some(SettingValue::Bool(flag))) => Some(flag.to_string()),
                (None, _) => default(),
            };
            texts.extend(text.map(|text| (name.to_owned(), text)));
        }
        texts
    }
}

fn plain(
    name: &str,
    setting: &SettingManifest,
    zones: &BTreeSet<String>,
    choices: &BTreeMap<String, String>,
) -> Option<SettingValue> {
    let is_origin = setting.setting_type == SettingType::Origin;
    if let Some(choice) = choices.get(name).filter(|_| setting.default.is_none() && !is_origin) {
        return Some(SettingValue::Text(choice.clone()));
    }
    let has_default = setting.default.is_some();
    Some(match setting.setting_type {
        SettingType::List => SettingValue::List(LISTED.map(str::to_owned).to_vec()),
        SettingType::Date => SettingValue::Date(FIRST_DAY.parse().ok()?),
        // It is known when the server is.
        SettingType::Origin => return None,
        _ if has_default => return None,
        SettingType::Text if zones.contains(name) => SettingValue::Text(ZONE.to_owned()),
        SettingType::Text => SettingValue::Text(format!("given-{}", name.replace('_', "-"))),
        SettingType::Number if name.contains("until") || name.contains("last") || name.contains("max") => {
            SettingValue::Number(20.0)
        }
        SettingType::Number => SettingValue::Number(7.0),
        SettingType::Boolean => SettingValue::Bool(true),
    })
}

/// Settings that hold a time zone.
fn zones(connector: &Connector) -> BTreeSet<String> {
    let mut zones = BTreeSet::new();
    let mut take = |text: &str| {
        zones.extend(text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()));
    };
    for stream in connector.complete(&BTreeMap::new()).unwrap_or_default() {
        for column in stream.columns() {
            if let (ColumnType::Timestamp, TimestampFormat::Pattern { zone, .. }) =
                (&column.column_type, &column.format)
            {
                take(zone);
            }
        }
        // A zone stands in few places of a window, and every text with braces in them is one.
        take(&format!("{:?}", stream.window.as_ref().map(|window| (&window.sent_format, &window.read_formats))));
        let calendar = stream.window.as_ref().and_then(|window| window.request.as_ref()?.calendar.as_ref());
        if let Some(zone) = calendar.and_then(|calendar| calendar.zone.as_ref()) {
            take(zone.as_str());
        }
    }
    zones
}

/// Settings of which only some values are good, with the first of them.
fn choices(connector: &Connector, ways: &[&Auth]) -> BTreeMap<String, String> {
    let mut choices = BTreeMap::new();
    if let Some(hosts) = &connector.manifest().http.hosts {
        choices.extend(hosts.of.names().next().map(|name| (hosts.setting.clone(), name.to_owned())));
    }
    for auth in ways {
        if let Auth::Choose(choose) = auth {
            choices.extend(choose.among.names().next().map(|name| (choose.by.clone(), name.to_owned())));
        }
    }
    choices
}

/// A secret that can be used for what the manifest uses it for.
fn secret(name: &str, ways: &[&Auth]) -> String {
    let is = |words: &Words| words.names().contains(&name);
    for auth in ways {
        let jwts: Vec<&Jwt> = match auth {
            Auth::Jwt(jwt) => vec![jwt],
            Auth::OAuth2(oauth2) => {
                let assertion = oauth2.client.iter().filter_map(|client| client.assertion.as_deref());
                let grant = if let Grant::JwtBearer(jwt) = &oauth2.grant { Some(&**jwt) } else { None };
                assertion.chain(grant).collect()
            }
            _ => Vec::new(),
        };
        if let Some(jwt) = jwts.into_iter().find(|jwt| is(&jwt.key)) {
            return signing_key(jwt);
        }
        match auth {
            Auth::OAuth2(oauth2) => {
                if let Grant::ServiceAccount(account) = &oauth2.grant
                    && is(&account.key)
                {
                    return json!({ "client_email": "robot@example.com", "private_key": RSA, "private_key_id": "1" })
                        .to_string();
                }
            }
            Auth::Hmac(hmac) if is(&hmac.key) && hmac.key_encoding != KeyEncoding::default() => {
                return DIGITS.to_owned();
            }
            Auth::Tls(tls) => {
                let has_key = tls.key.is_some();
                if tls.certificate.as_ref().is_some_and(is) {
                    return if has_key { CERTIFICATE.to_owned() } else { format!("{CERTIFICATE}{CERTIFICATE_KEY}") };
                }
                if tls.key.as_ref().is_some_and(is) {
                    return CERTIFICATE_KEY.to_owned();
                }
                if tls.authority.as_ref().is_some_and(is) {
                    return CERTIFICATE.to_owned();
                }
            }
            Auth::Tokens(tokens) if is(&tokens.from) => return format!("secret-{name}-1,secret-{name}-2"),
            _ => {}
        }
    }
    format!("secret-{}", name.replace('_', "-"))
}

fn signing_key(jwt: &Jwt) -> String {
    let random = SystemRandom::new();
    let document = match jwt.algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => return DIGITS.repeat(4),
        Algorithm::ES256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
        Algorithm::ES384 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random),
        Algorithm::EdDSA => Ed25519KeyPair::generate_pkcs8(&random),
        _ => return RSA.to_owned(),
    };
    let bytes = document.map(|document| document.as_ref().to_vec()).unwrap_or_default();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(bytes))
}

/// A stream for each template that no list setting fills in, with what a project would say of it.
fn streams(connector: &Connector) -> Value {
    let manifest = connector.manifest();
    let mut streams = json!({});
    for (name, template) in manifest.templates.iter().filter(|(_, template)| template.for_each.is_none()) {
        let template = connector.with_defaults(template.clone());
        let mut stream = json!({ "template": name });
        let missing = template.parameters.iter().flat_map(Ordered::iter);
        let with: serde_json::Map<String, Value> = missing
            .filter(|(_, parameter)| parameter.default.is_none())
            .map(|(name, _)| (name.to_owned(), json!(format!("given-{}", name.replace('_', "-")))))
            .collect();
        let mut put =
            |key: &str, value: Value| stream.as_object_mut().map(|stream| stream.insert(key.to_owned(), value));
        put("with", Value::Object(with));
        if template.kind.is_none() {
            put("kind", json!(if template.window.is_some() { "mutable" } else { "snapshot" }));
        }
        if template.columns.is_none() {
            put("columns", json!({ "id": { "type": "int64" }, "updated_at": { "type": "timestamp" } }));
            if template.key.is_none() && template.append_only.is_none() {
                put("key", json!(["id"]));
            }
        }
        if template.window.as_ref().is_some_and(|window| window.field.is_none()) {
            put("window", json!({ "field": "updated_at" }));
        }
        if template.title.is_none() {
            put("title", json!("A stream of a template"));
        }
        if let Some(streams) = streams.as_object_mut() {
            streams.insert(format!("of_{name}"), stream);
        }
    }
    streams
}
