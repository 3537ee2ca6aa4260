//! Incremental streams: the cursor becomes a window, its options the window's request.

use serde_json::{Map, Value, json};

use super::convert::Convert;
use super::expression::{Names, duration, pattern};
use super::jinja::{self, Ast, Piece};
use super::request::{Request, Target};
use super::tree::{component, is_true, kind, text};

/// The longest window where the original reads everything since the start at once.
const WHOLE: &str = "7300 days";

/// What a cursor comes to.
#[derive(Clone, Debug, Default)]
pub(super) struct Windowing {
    /// The field whose time decides.
    pub(super) field: String,
    /// Formats in which it is read.
    pub(super) formats: Vec<Value>,
    pub(super) window: Map<String, Value>,
    pub(super) start: Value,
    /// Where bounds go, by the name under which requests know them.
    options: Vec<(Target, String)>,
}

/// How a cursor is used.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    /// The original's names for the bounds.
    pub(super) start_name: String,
    pub(super) end_name: String,
    /// Something calls the bounds by their names.
    is_named: bool,
    /// Bounds are sent, or something is done by them.
    pub(super) is_used: bool,
}

/// Looks how a stream uses its cursor.
pub(super) fn look(convert: &mut Convert<'_>, stream: &Value, sync: &Value) -> Cursor {
    let name = |convert: &mut Convert<'_>, key: &str, usual: &str| {
        convert.constant_text(sync, key).filter(|name| !name.is_empty()).unwrap_or_else(|| usual.to_owned())
    };
    let start_name = name(convert, "partition_field_start", "start_time");
    let end_name = name(convert, "partition_field_end", "end_time");
    let is_named = names_any(stream, &[start_name.as_str(), end_name.as_str()]);
    let is_sent = component(sync, "start_time_option").is_some() || component(sync, "end_time_option").is_some();
    Cursor { start_name, end_name, is_named, is_used: is_named || is_sent }
}

/// Whether a template names one of the bounds; the cursor itself and the parents are not looked at.
fn names_any(node: &Value, bounds: &[&str]) -> bool {
    match node {
        Value::String(template) if jinja::is_template(template) => {
            let is_slice =
                ["stream_interval", "stream_slice", "stream_partition"].iter().any(|root| template.contains(root));
            is_slice && bounds.iter().any(|bound| template.contains(bound))
        }
        Value::Array(items) => items.iter().any(|item| names_any(item, bounds)),
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            !matches!(name.as_str(), "incremental_sync" | "partition_router" | "schema_loader" | "$parameters")
                && names_any(value, bounds)
        }),
        _ => false,
    }
}

/// A format of the original as a request's.
fn sent_format(format: &str) -> Value {
    match format {
        "%s" => "unix_seconds".into(),
        "%ms" => "unix_millis".into(),
        "%epoch_microseconds" => "unix_micros".into(),
        "%s_as_float" => json!({ "pattern": { "pattern": "%s.0" } }),
        other => json!({ "pattern": { "pattern": pattern(other) } }),
    }
}

/// A format of the original as a column's.
fn read_format(format: &str) -> Value {
    let is_rfc3339 =
        format.contains('T') && (format.ends_with('Z') || format.ends_with("%z") || format.ends_with("+00:00"));
    match format {
        "%s" | "%s_as_float" => "unix_seconds".into(),
        "%ms" => "unix_millis".into(),
        "%epoch_microseconds" => "unix_micros".into(),
        _ if is_rfc3339 => "rfc3339".into(),
        other => {
            let pattern = pattern(other).replace(".%6f", "%.f").replace("%6f", "%f").replace(".%3f", "%.f");
            json!({ "pattern": { "pattern": pattern, "zone": "UTC" } })
        }
    }
}

/// The window of a cursor.
pub(super) fn windowing(
    convert: &mut Convert<'_>,
    sync: &Value,
    requester: &Value,
    cursor: &Cursor,
) -> Option<Windowing> {
    let Some(field) = convert.constant_text(sync, "cursor_field").filter(|field| !field.is_empty()) else {
        convert.notes.impossible(sync, "a cursor whose field is worked out");
        return None;
    };
    let mut made = Windowing { field, ..Windowing::default() };
    let format = convert.constant_text(sync, "datetime_format").unwrap_or_else(|| "%Y-%m-%dT%H:%M:%S.%f%z".to_owned());
    for known in sync.get("cursor_datetime_formats").and_then(Value::as_array).into_iter().flatten() {
        let read = read_format(text(Some(known)));
        if !made.formats.contains(&read) {
            made.formats.push(read);
        }
    }
    let own = read_format(&format);
    if !made.formats.contains(&own) {
        made.formats.push(own);
    }
    if made.formats == ["rfc3339"] {
        made.formats.clear();
    }
    made.start = start(convert, sync);
    let window = &mut made.window;
    window.insert("field".to_owned(), made.field.clone().into());
    window.insert("format".to_owned(), sent_format(&format));
    let granularity = duration(text(sync.get("cursor_granularity")));
    let granularity = granularity.map(|(months, seconds)| months * 30 * 86_400 + seconds);
    let is_inclusive = match (granularity, text(sync.get("cursor_granularity"))) {
        (Some(seconds), _) if seconds > 0 => {
            window.insert("granularity".to_owned(), span_of(seconds).into());
            true
        }
        // Finer than a second, or none at all.
        (_, "PT0.001S") => {
            window.insert("granularity".to_owned(), "1 millisecond".into());
            true
        }
        _ => {
            window.insert(
                "granularity".to_owned(),
                if format.contains("%H") || format.starts_with("%s") || format == "%ms" { "1 second" } else { "1 day" }
                    .into(),
            );
            false
        }
    };
    let step = convert.constant_text(sync, "step").unwrap_or_default();
    let seconds = duration(&step).map(|(months, seconds)| months * 30 * 86_400 + seconds);
    if let Some(seconds) = seconds.filter(|seconds| *seconds > 0) {
        window.insert("length".to_owned(), span_of(seconds).into());
    } else {
        if !step.is_empty() {
            convert.notes.approximated(sync, format!("the step `{step}`, which a setting decides"));
        }
        let remark = "confirm: the original reads everything since the start at once; shorter windows go on sooner";
        window.insert("length".to_owned(), super::write::remarked(WHOLE, remark));
    }
    window.insert("settle".to_owned(), "not_published".into());
    let lookback = convert.constant_text(sync, "lookback_window").and_then(|text| duration(&text));
    let lookback = lookback.map(|(months, seconds)| months * 30 * 86_400 + seconds);
    let lookback = match lookback {
        Some(seconds) => {
            json!({ "assumed": { "value": span_of(seconds), "because": "the lookback window of the imported manifest" } })
        }
        None => "not_published".into(),
    };
    window.insert("lookback".to_owned(), lookback);
    bounds(convert, sync, requester, cursor, is_inclusive, &mut made);
    Some(made)
}

fn span_of(seconds: i64) -> String {
    super::errors::span(f64::from(u32::try_from(seconds).unwrap_or(u32::MAX)))
}

/// Where the bounds go.
fn bounds(
    convert: &mut Convert<'_>,
    sync: &Value,
    requester: &Value,
    cursor: &Cursor,
    is_inclusive: bool,
    made: &mut Windowing,
) {
    let option = |convert: &mut Convert<'_>, key: &str| {
        component(sync, key).and_then(|option| convert.target(option, requester))
    };
    let (from, until) = (option(convert, "start_time_option"), option(convert, "end_time_option"));
    let mut request = Map::new();
    if cursor.is_named {
        let [start, end] = super::convert::BOUNDS;
        request.insert("from".to_owned(), json!({ "as": start }));
        request.insert("until".to_owned(), json!({ "as": end }));
        made.options.extend(from.map(|target| (target, start.to_owned())));
        made.options.extend(until.map(|target| (target, end.to_owned())));
    } else {
        // A window has a start; one whose start nobody sends is known by name alone.
        let [start, _] = super::convert::BOUNDS;
        request.insert("from".to_owned(), from.map_or_else(|| json!({ "as": start }), |target| target.slot()));
        if let Some(until) = until {
            request.insert("until".to_owned(), until.slot());
        }
    }
    if is_inclusive && request.contains_key("until") {
        request.insert("until_is_inclusive".to_owned(), true.into());
    }
    made.window.insert("request".to_owned(), Value::Object(request));
}

impl Windowing {
    /// Puts the bounds where their options say, where requests know them by name.
    pub(super) fn inject(&self, request: &mut Request) {
        for (target, name) in &self.options {
            let placeholder = Value::from(format!("{{{name}}}"));
            match target {
                Target::Query(key) => drop(request.params.insert(key.clone(), placeholder)),
                Target::Header(key) => drop(request.headers.insert(key.clone(), placeholder)),
                Target::Named(_) => {}
                Target::Form(key) => drop(request.form.get_or_insert_default().insert(key.clone(), placeholder)),
                Target::Json(pointer) => {
                    let code = super::expression::Code::of_name(name);
                    request.json.get_or_insert_default().push((pointer.clone(), code));
                }
            }
        }
    }

    /// A list that is read whole, or down to what is known.
    pub(super) fn fed(&mut self, feed: &str) {
        self.window.shift_remove("request");
        self.window.insert("feed".to_owned(), feed.into());
    }
}

/// Whether the list is filtered by us.
pub(super) fn feed(sync: &Value) -> Option<&'static str> {
    if is_true(sync.get("is_data_feed")) {
        Some("newest_first")
    } else if is_true(sync.get("is_client_side_incremental")) {
        Some("whole")
    } else {
        None
    }
}

/// From when it is read: a date setting, a date, or a setting of ours.
fn start(convert: &mut Convert<'_>, sync: &Value) -> Value {
    let start = sync.get("start_datetime");
    let (node, template) = match start {
        Some(node @ Value::Object(_)) => (node, text(node.get("datetime")).to_owned()),
        Some(Value::String(template)) => (sync, template.clone()),
        _ => (sync, String::new()),
    };
    if let Some(text) = convert.constant(node, &template) {
        if let Some(instant) = super::settings::instant(&Value::from(text)) {
            return instant.into();
        }
        return convert.settings.own_start().into();
    }
    let pieces = convert.pieces(node, &Names::default(), &template).unwrap_or_default();
    let mut found: Option<(Vec<String>, Option<Value>)> = None;
    for piece in &pieces {
        let Piece::Expression(ast) = piece else { continue };
        ast.walk(&mut |ast| {
            if found.is_some() {
                return;
            }
            // `config.get('start_date', '2020-01-01')` says what it is without one.
            if let Ast::Call(called, arguments, _) = ast
                && let (Ast::Attribute(of, method), [key, Ast::Constant(default)]) =
                    (called.as_ref(), arguments.as_slice())
                && method == "get"
                && let Some(path) = Ast::Item(of.clone(), Box::new(key.clone())).path()
            {
                found = setting_path(&path).map(|path| (path, Some(default.clone())));
            } else if let Some(path) = ast.path() {
                found = setting_path(&path).map(|path| (path, None));
            }
        });
    }
    let Some((path, default)) = found.filter(|(path, _)| path.last().is_some_and(|last| is_date_name(last))) else {
        return convert.settings.own_start().into();
    };
    let Some(name) = convert.settings.date(&path) else { return convert.settings.own_start().into() };
    let setting = convert.settings.find(&path);
    if setting.default.is_none() {
        setting.default = default.as_ref().and_then(super::settings::instant).map(Value::from);
        // Nothing is read from nowhere.
        setting.is_required = setting.default.is_none();
    }
    name.into()
}

fn setting_path(path: &[Value]) -> Option<Vec<String>> {
    let is_config = path.len() > 1 && path.first() == Some(&"config".into());
    is_config.then(|| path.iter().skip(1).map(super::settings::plain_text).collect())
}

/// Whether a setting's name says that it is a date, and no length of time.
fn is_date_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_length =
        ["window", "days", "lookback", "period", "months", "interval"].iter().any(|word| name.contains(word));
    let is_date = ["date", "start", "from", "since", "after", "begin", "time"].iter().any(|word| name.contains(word));
    is_date && !is_length
}

/// Whether a sync is by time.
pub(super) fn is_by_time(sync: &Value) -> bool {
    matches!(kind(sync), "DatetimeBasedCursor" | "DatetimeStreamSlicer" | "")
}
