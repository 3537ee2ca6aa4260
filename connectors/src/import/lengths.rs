//! Lengths of time as the original writes them: ISO 8601, written out or made of a setting.

use serde_json::{Value, json};

use super::convert::Convert;
use super::expression::{Names, duration};
use super::jinja::{Ast, Piece};

/// Microseconds of a second.
const SECOND: u64 = 1_000_000;

/// A length of time.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Length {
    Nothing,
    /// So many seconds.
    Fixed(i64),
    /// So many units as a setting says.
    Counted(Counted),
    /// Something else, as it is written.
    Unknown(String),
}

/// A length that a number setting decides.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counted {
    setting: String,
    /// Seconds of one.
    unit: i64,
    /// Seconds where the setting is not given.
    pub(super) usual: Option<i64>,
}

impl Counted {
    /// As manifests write it.
    pub(super) fn written(&self) -> Value {
        json!({ "setting": self.setting, "unit": super::errors::span(whole(self.unit)) })
    }
}

fn whole(seconds: i64) -> f64 {
    f64::from(u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// Seconds of months and seconds; a month has thirty days.
pub(super) fn seconds((months, seconds): (i64, i64)) -> i64 {
    months * 30 * 86_400 + seconds
}

/// The length in a field of a component.
pub(super) fn length(convert: &mut Convert<'_>, node: &Value, key: &str) -> Length {
    let template = match node.get(key) {
        Some(Value::String(template)) if !template.is_empty() => template.clone(),
        _ => return Length::Nothing,
    };
    if let Some(text) = convert.constant(node, &template) {
        return duration(&text).map_or(Length::Unknown(template), |length| Length::Fixed(seconds(length)));
    }
    let pieces = convert.pieces(node, &Names::default(), &template).unwrap_or_default();
    let flat = flat(&pieces);
    if let Some(counted) = counted(convert, &flat) {
        return Length::Counted(counted);
    }
    Length::Unknown(template)
}

/// Pieces in a row, with texts that are put together by `~` and `+` taken apart.
pub(super) fn flat(pieces: &[Piece]) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    for piece in pieces {
        let more = match piece {
            Piece::Expression(Ast::Binary("~" | "+", left, right)) => {
                flat(&[Piece::Expression(left.as_ref().clone()), Piece::Expression(right.as_ref().clone())])
            }
            Piece::Expression(Ast::Joined(inner)) => flat(inner),
            Piece::Expression(Ast::Constant(Value::String(text))) => vec![Piece::Text(text.clone())],
            other => vec![other.clone()],
        };
        for piece in more {
            match (out.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => out.push(piece),
            }
        }
    }
    out
}

/// `P`, a setting, and a unit.
fn counted(convert: &mut Convert<'_>, pieces: &[Piece]) -> Option<Counted> {
    let [Piece::Text(before), Piece::Expression(ast), Piece::Text(after)] = pieces else { return None };
    let unit = seconds(duration(&format!("{}1{}", before.trim(), after.trim()))?);
    let (path, usual) = number_setting(ast)?;
    let known = convert.settings.find(&path);
    if known.is_secret {
        return None;
    }
    known.kind = crate::manifest::SettingType::Number;
    let text = |value: &Value| value.as_str().and_then(|text| text.trim().parse::<i64>().ok());
    known.default = known.default.as_ref().and_then(|value| value.as_i64().or_else(|| text(value))).map(Value::from);
    let usual = known.default.as_ref().and_then(Value::as_i64).or(usual);
    if known.default.is_none() && usual.is_some() {
        known.is_required = false;
    }
    Some(Counted { setting: known.name.clone(), unit, usual: usual.and_then(|count| count.checked_mul(unit)) })
}

/// A setting that is a number, and what it is without one.
fn number_setting(ast: &Ast) -> Option<(Vec<String>, Option<i64>)> {
    let number = |ast: &Ast| match ast {
        Ast::Constant(Value::Number(number)) => number.as_i64(),
        Ast::Constant(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    if let Some(path) = ast.path().filter(|path| path.len() > 1 && path.first() == Some(&"config".into())) {
        return Some((path.iter().skip(1).map(super::settings::plain_text).collect(), None));
    }
    match ast {
        Ast::Filter(of, name, ..) if matches!(name.as_str(), "int" | "string" | "abs") => number_setting(of),
        Ast::Binary("or", left, right) => {
            let (path, _) = number_setting(left)?;
            Some((path, Some(number(right)?)))
        }
        Ast::If(then, condition, Some(otherwise)) => {
            // Whether it is given decides which of both it is.
            let (path, _) = number_setting(then)?;
            let mut names_it = false;
            condition.walk(&mut |ast| {
                let last = path.last().map(|last| Value::from(last.as_str()));
                names_it |= matches!(ast, Ast::Constant(value) if Some(value) == last.as_ref())
                    || ast.path().is_some_and(|found| found.last() == last.as_ref());
            });
            names_it.then_some((path, Some(number(otherwise)?)))
        }
        Ast::Call(called, arguments, named) if named.is_empty() => match (called.as_ref(), arguments.as_slice()) {
            (Ast::Attribute(of, method), [key, default]) if method == "get" => {
                let (path, _) = number_setting(&Ast::Item(of.clone(), Box::new(key.clone())))?;
                Some((path, Some(number(default)?)))
            }
            _ => None,
        },
        _ => None,
    }
}

/// How many seconds before now an instant lies that is worked out of now alone.
pub(super) fn before_now(ast: &Ast) -> Option<i64> {
    match ast {
        Ast::Call(called, arguments, named) => match called.as_ref() {
            Ast::Name(name) if matches!(name.as_str(), "now_utc" | "today_utc") => Some(0),
            Ast::Name(name) if name == "day_delta" => {
                let by_name = named.iter().find(|(name, _)| name == "num_days").map(|(_, days)| days);
                Some(-whole_number(arguments.first().or(by_name)?)? * 86_400)
            }
            Ast::Name(name) if matches!(name.as_str(), "format_datetime" | "str_to_datetime") => {
                before_now(arguments.first()?)
            }
            Ast::Attribute(of, method)
                if matches!(method.as_str(), "strftime" | "isoformat" | "timestamp" | "date" | "replace") =>
            {
                before_now(of)
            }
            _ => None,
        },
        Ast::Filter(of, name, ..) if matches!(name.as_str(), "int" | "string") => before_now(of),
        Ast::Binary(sign @ ("-" | "+"), left, right) => {
            let (Some(before), Ast::Call(called, arguments, _)) = (before_now(left), right.as_ref()) else {
                return None;
            };
            let (Ast::Name(name), [Ast::Constant(Value::String(text))]) = (called.as_ref(), arguments.as_slice())
            else {
                return None;
            };
            let length = (name == "duration").then(|| duration(text).map(seconds))??;
            Some(if *sign == "-" { before + length } else { before - length })
        }
        _ => None,
    }
}

fn whole_number(ast: &Ast) -> Option<i64> {
    match ast {
        Ast::Constant(Value::Number(number)) => number.as_i64(),
        Ast::Negative(of) => whole_number(of).map(|number| -number),
        _ => None,
    }
}

/// A granularity in microseconds.
pub(super) fn micros(text: &str) -> Option<u64> {
    let fraction = text.strip_prefix("PT").and_then(|text| text.strip_suffix('S')).filter(|text| text.contains('.'));
    let Some(fraction) = fraction else {
        return u64::try_from(seconds(duration(text)?)).ok()?.checked_mul(SECOND);
    };
    let micros = fraction.parse::<f64>().ok().filter(|seconds| (0.0..1e9).contains(seconds))? * 1e6;
    format!("{micros:.0}").parse().ok()
}

/// A length of microseconds as our manifests write it, to the millisecond.
pub(super) fn span_of_micros(micros: u64) -> String {
    let millis = micros / 1_000;
    super::errors::span(
        f64::from(u32::try_from(millis / 1_000).unwrap_or(u32::MAX))
            + f64::from(u16::try_from(millis % 1_000).unwrap_or_default()) / 1_000.0,
    )
}

#[cfg(test)]
mod tests {
    use super::super::jinja;
    use super::*;

    fn ast(text: &str) -> Ast {
        match jinja::template(text).unwrap().as_slice() {
            [Piece::Expression(ast)] => ast.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_worked_out_of_now_lies_so_long_before_it() {
        for (text, before) in [
            ("{{ now_utc() }}", Some(0)),
            ("{{ now_utc().strftime('%Y') }}", Some(0)),
            ("{{ (now_utc() - duration('P1D')).strftime('%Y') }}", Some(86_400)),
            ("{{ day_delta(-2, format='%Y') }}", Some(172_800)),
            ("{{ format_datetime(now_utc() - duration('PT1H'), '%Y') }}", Some(3_600)),
            ("{{ config['end'] }}", None),
            ("{{ now_utc() - duration(config['x']) }}", None),
        ] {
            assert_eq!(before_now(&ast(text)), before, "{text}");
        }
    }

    #[test]
    fn granularities_keep_their_microseconds() {
        for (text, expected, span) in [
            ("PT0.000001S", 1, "0"),
            ("PT0.001S", 1_000, "1 millisecond"),
            ("PT1S", 1_000_000, "1 second"),
            ("P1D", 86_400_000_000, "1 day"),
            ("PT0S", 0, "0"),
        ] {
            let found = micros(text).unwrap();
            assert_eq!((found, span_of_micros(found).as_str()), (expected, span), "{text}");
        }
    }

    #[test]
    fn a_setting_between_a_p_and_a_unit_counts_it() {
        for (text, expected) in [
            ("{{ config['days'] }}", Some((vec!["days".to_owned()], None))),
            ("{{ config.get('days', 7) | int }}", Some((vec!["days".to_owned()], Some(7)))),
            ("{{ config['a']['days'] or 3 }}", Some((vec!["a".to_owned(), "days".to_owned()], Some(3)))),
            ("{{ config['days'] if config.get('days') else 5 }}", Some((vec!["days".to_owned()], Some(5)))),
            ("{{ 3 * config['days'] }}", None),
        ] {
            assert_eq!(number_setting(&ast(text)), expected, "{text}");
        }
    }
}
