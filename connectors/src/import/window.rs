//! Incremental streams: the cursor becomes a window, its options the window's request.

use serde_json::{Map, Value, json};

use super::convert::Convert;
use super::expression::{Names, pattern};
use super::jinja::{self, Ast, Piece};
use super::lengths::{self, Length};
use super::request::{Request, Target};
use super::tree::{component, is_true, kind, text};
use super::write::remarked;

/// The longest window where the original reads everything since the start at once.
const WHOLE: &str = "7300 days";

/// From when something is read that has no first day.
const EPOCH: &str = "1970-01-01";

/// What a cursor comes to.
#[derive(Clone, Debug, Default)]
pub(super) struct Windowing {
    /// The field whose time decides.
    pub(super) field: String,
    /// Formats in which it is read.
    pub(super) formats: Vec<Value>,
    pub(super) window: Map<String, Value>,
    pub(super) start: Value,
    /// Until when it is read, where that is not now.
    pub(super) end: Option<Value>,
    /// No request says its start.
    pub(super) start_is_silent: bool,
    /// The step that begins at the end is read too.
    pub(super) end_is_inclusive: bool,
    /// Where bounds go, by the name under which requests know them.
    options: Vec<(Target, String)>,
}

/// How a cursor is used.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    /// The original's names for the bounds.
    pub(super) start_name: String,
    pub(super) end_name: String,
    /// Something calls the start, or the end, by its name.
    pub(super) is_named: [bool; 2],
    /// Bounds are sent, or something is done by them.
    pub(super) is_used: bool,
}

/// Looks how a stream uses its cursor.
pub(super) fn look(convert: &mut Convert<'_>, stream: &Value, sync: &Value, requester: &Value) -> Cursor {
    let name = |convert: &mut Convert<'_>, key: &str, usual: &str| {
        convert.constant_text(sync, key).filter(|name| !name.is_empty()).unwrap_or_else(|| usual.to_owned())
    };
    let start_name = name(convert, "partition_field_start", "start_time");
    let end_name = name(convert, "partition_field_end", "end_time");
    let is_named = [&start_name, &end_name].map(|name| names_any(stream, &[name.as_str()]));
    let is_sent = ["start_time_option", "end_time_option"]
        .into_iter()
        .any(|key| component(sync, key).is_some_and(|option| convert.target(option, requester).is_some()));
    Cursor { start_name, end_name, is_named, is_used: is_named.contains(&true) || is_sent }
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
#[expect(clippy::too_many_lines, reason = "one key of the window after the other")]
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
    let settle = ended(convert, sync, &mut made);
    let window = &mut made.window;
    window.insert("field".to_owned(), made.field.clone().into());
    window.insert("format".to_owned(), sent_format(&format));
    let step = granularity(sync, &format);
    window.insert("granularity".to_owned(), step.span.clone().into());
    let mut by_settings = Map::new();
    let remark = "confirm: the original reads everything since the start at once; shorter windows go on sooner";
    let whole = || remarked(WHOLE, remark);
    let length = match lengths::length(convert, sync, "step") {
        Length::Fixed(seconds) if seconds > 0 => span_of(seconds).into(),
        Length::Nothing | Length::Fixed(_) => whole(),
        Length::Counted(counted) => {
            by_settings.insert("length".to_owned(), counted.written());
            counted.usual.filter(|seconds| *seconds > 0).map_or_else(whole, |seconds| span_of(seconds).into())
        }
        Length::Unknown(template) => {
            convert
                .notes
                .approximated(sync, format!("the step `{template}`: windows are as long as the project asks for"));
            whole()
        }
    };
    let because = "the lookback window of the imported manifest";
    let assumed = |seconds| json!({ "assumed": { "value": span_of(seconds), "because": because } });
    let lookback = match lengths::length(convert, sync, "lookback_window") {
        Length::Nothing => "not_published".into(),
        Length::Fixed(seconds) => assumed(seconds),
        Length::Counted(counted) => {
            by_settings.insert("lookback".to_owned(), counted.written());
            counted.usual.map_or_else(|| "not_published".into(), assumed)
        }
        Length::Unknown(template) => {
            convert.notes.approximated(sync, format!("the lookback window `{template}`: a cautious one is used"));
            "not_published".into()
        }
    };
    let window = &mut made.window;
    window.insert("length".to_owned(), length);
    window.insert("settle".to_owned(), settle);
    window.insert("lookback".to_owned(), lookback);
    if let Some(retention) = retention(convert, sync) {
        let because = "how far back the imported manifest looks at most";
        window.insert("retention".to_owned(), json!({ "assumed": { "value": retention, "because": because } }));
    }
    if !by_settings.is_empty() {
        window.insert("by_settings".to_owned(), Value::Object(by_settings));
    }
    made.end_is_inclusive = made.end.is_some() && step.is_inclusive;
    bounds(convert, sync, requester, cursor, &step, &mut made);
    clamped(convert, sync, &mut made);
    Some(made)
}

/// The finest step of a cursor.
struct Step {
    /// As our manifests write it.
    span: String,
    /// Ends of windows are one step before the next one's start.
    is_inclusive: bool,
    /// It is finer than our steps.
    micros: Option<u64>,
}

fn granularity(sync: &Value, format: &str) -> Step {
    let written = text(sync.get("cursor_granularity"));
    let micros = lengths::micros(written).unwrap_or_default();
    let usual =
        if format.contains("%H") || format.starts_with("%s") || format == "%ms" { 1_000_000 } else { 86_400_000_000 };
    match micros {
        0 => Step { span: lengths::span_of_micros(usual), is_inclusive: false, micros: None },
        finer if !finer.is_multiple_of(1_000) => {
            Step { span: "1 millisecond".to_owned(), is_inclusive: true, micros: Some(finer) }
        }
        whole => Step { span: lengths::span_of_micros(whole), is_inclusive: true, micros: None },
    }
}

/// Until when it is read: what a setting says becomes the stream's end, what lies before now the time that rows take to settle.
fn ended(convert: &mut Convert<'_>, sync: &Value, made: &mut Windowing) -> Value {
    let usual = || "not_published".into();
    let (node, template) = datetime(sync, "end_datetime");
    if template.is_empty() {
        return usual();
    }
    if let Some(text) = convert.constant(node, &template) {
        let instant = super::settings::instant(&Value::from(text.as_str()));
        if instant.is_none() {
            convert.notes.approximated(sync, format!("the end `{text}`, which is no date: windows end now"));
        }
        made.end = instant.map(Value::from);
        return usual();
    }
    let pieces = convert.pieces(node, &Names::default(), &template).unwrap_or_default();
    if let Some((path, _)) = named_date(&pieces) {
        if convert.settings.is_declared(&path) || !names_now(&pieces) {
            made.end = convert.settings.date(&path).map(Value::from);
            if made.end.is_none() {
                convert.notes.approximated(sync, format!("the end `{template}`: windows end now"));
            }
        }
        return usual();
    }
    match before_now(&pieces) {
        Some(0) => usual(),
        Some(seconds) => {
            let because = "the end of what the imported manifest reads lies so long before now";
            json!({ "assumed": { "value": span_of(seconds), "because": because } })
        }
        None => {
            convert.notes.approximated(sync, format!("the end `{template}`: windows end now"));
            usual()
        }
    }
}

/// Whole days, weeks or months, to which the original cuts its windows.
fn clamped(convert: &mut Convert<'_>, sync: &Value, made: &mut Windowing) {
    let Some(clamping) = component(sync, "clamping") else { return };
    let unit = match convert.constant_text(clamping, "target").unwrap_or_default().to_ascii_uppercase().as_str() {
        "DAY" => "day",
        "WEEK" => "week",
        "MONTH" => "month",
        other => {
            convert.notes.impossible(clamping, format!("windows that are cut to `{other}`"));
            return;
        }
    };
    if let Some(Value::Object(request)) = made.window.get_mut("request") {
        request.insert("calendar".to_owned(), json!({ "unit": unit }));
    }
}

/// A bound of a cursor and the component that it stands in.
fn datetime<'v>(sync: &'v Value, key: &str) -> (&'v Value, String) {
    match sync.get(key) {
        Some(node @ Value::Object(_)) => (node, text(node.get("datetime")).to_owned()),
        Some(Value::String(template)) => (sync, template.clone()),
        _ => (sync, String::new()),
    }
}

fn names_now(pieces: &[Piece]) -> bool {
    let mut found = false;
    for piece in pieces {
        let Piece::Expression(ast) = piece else { continue };
        ast.walk(&mut |ast| {
            found |= matches!(ast, Ast::Name(name) if matches!(name.as_str(), "now_utc" | "today_utc" | "day_delta"));
        });
    }
    found
}

/// How many seconds before now an instant is that is worked out of now alone.
fn before_now(pieces: &[Piece]) -> Option<i64> {
    let [Piece::Expression(ast)] = pieces else { return None };
    lengths::before_now(ast)
}

/// How far back the original looks at most: a start that is worked out of now alone, or the least that it may be.
fn retention(convert: &mut Convert<'_>, sync: &Value) -> Option<String> {
    let (node, template) = datetime(sync, "start_datetime");
    let least = text(node.get("min_datetime")).to_owned();
    for template in [least, template] {
        let pieces = convert.pieces(node, &Names::default(), &template).unwrap_or_default();
        if let Some(seconds) = before_now(&pieces).filter(|seconds| *seconds > 0) {
            return Some(span_of(seconds));
        }
    }
    None
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
    step: &Step,
    made: &mut Windowing,
) {
    let option = |convert: &mut Convert<'_>, key: &str| {
        component(sync, key).and_then(|option| convert.target(option, requester))
    };
    let (from, until) = (option(convert, "start_time_option"), option(convert, "end_time_option"));
    let mut request = Map::new();
    // A window has a start; one whose start nobody sends is known by name alone.
    for (at, (key, target)) in [("from", from), ("until", until)].into_iter().enumerate() {
        let name = super::convert::BOUNDS.get(at).copied().unwrap_or_default();
        let is_named = cursor.is_named.get(at) == Some(&true);
        match target {
            Some(target) if is_named => {
                request.insert(key.to_owned(), json!({ "as": name }));
                made.options.push((target, name.to_owned()));
            }
            Some(target) => drop(request.insert(key.to_owned(), target.slot())),
            None if is_named || key == "from" => {
                made.start_is_silent |= !is_named;
                request.insert(key.to_owned(), json!({ "as": name }));
            }
            None => {}
        }
    }
    if step.is_inclusive && request.contains_key("until") {
        request.insert("until_is_inclusive".to_owned(), true.into());
        if let Some(micros) = step.micros {
            request.insert("until_step_micros".to_owned(), micros.into());
        }
    }
    made.window.insert("request".to_owned(), Value::Object(request));
}

impl Windowing {
    /// Puts the bounds where their options say, where requests know them by name.
    pub(super) fn inject(&self, condition: Option<&str>, request: &mut Request) {
        for (target, name) in &self.options {
            request.place(target, name, condition);
        }
    }

    /// What its rows are: a list by creation tells of no changes, one without a key has no versions.
    pub(super) fn kind(&self, has_key: bool) -> &'static str {
        let is_never_reread = self
            .window
            .get("lookback")
            .and_then(|lookback| lookback.pointer("/assumed/value"))
            .is_some_and(|value| value == "0");
        match (has_key, self.says()) {
            (true, (true, false)) if is_never_reread => "events",
            (true, (true, false)) => "restating",
            (true, _) => "mutable",
            (false, _) => "events",
        }
    }

    /// The rule that such a stream cannot keep, and why.
    pub(super) fn waiver(&self, kind: &str) -> Option<(&'static str, &'static str)> {
        let is_broken = kind != "mutable" && self.says() == (false, true);
        is_broken
            .then_some(("filtered-by-change", "the imported manifest names no key that could tell versions of a row"))
    }

    /// Whether what is sent, or else the field, is called after the creation and after the change of rows.
    fn says(&self) -> (bool, bool) {
        let any = |names: &[&str], words: &[&str]| {
            names.iter().any(|name| words.iter().any(|word| name.to_ascii_lowercase().contains(word)))
        };
        let says = |names: &[&str]| (any(names, &["creat"]), any(names, &["updat", "modif", "changed"]));
        let request = self.window.get("request").and_then(Value::as_object);
        let sent: Vec<&str> =
            request.into_iter().flat_map(|request| ["from", "until"].map(|key| text(request.get(key)))).collect();
        match says(&sent) {
            (false, false) => says(&[self.field.as_str()]),
            said => said,
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
    let (node, template) = datetime(sync, "start_datetime");
    if let Some(text) = convert.constant(node, &template) {
        if let Some(instant) = super::settings::instant(&Value::from(text)) {
            return instant.into();
        }
        return convert.settings.own_start().into();
    }
    let pieces = convert.pieces(node, &Names::default(), &template).unwrap_or_default();
    let Some((path, default)) = named_date(&pieces) else {
        // What lies so long before now is how far back the source is read.
        let is_moving = before_now(&pieces).is_some_and(|seconds| seconds > 0);
        return if is_moving { EPOCH.into() } else { convert.settings.own_start().into() };
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

/// The setting in an expression that says a date, and what it is without one.
fn named_date(pieces: &[Piece]) -> Option<(Vec<String>, Option<Value>)> {
    let mut found: Option<(Vec<String>, Option<Value>)> = None;
    for piece in pieces {
        let Piece::Expression(ast) = piece else { continue };
        ast.walk(&mut |ast| {
            if found.is_some() {
                return;
            }
            // `config.get('start_date', '2020-01-01')` says what it is without one.
            if let Ast::Call(called, arguments, _) = ast
                && let (Ast::Attribute(of, method), [key, default]) = (called.as_ref(), arguments.as_slice())
                && method == "get"
                && let Some(path) = Ast::Item(of.clone(), Box::new(key.clone())).path()
            {
                let default = if let Ast::Constant(value) = default { Some(value.clone()) } else { None };
                found = setting_path(&path).map(|path| (path, default));
            } else if let Some(path) = ast.path() {
                found = setting_path(&path).map(|path| (path, None));
            }
            found = found.take().filter(|(path, _)| path.last().is_some_and(|last| is_date_name(last)));
        });
    }
    found
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
