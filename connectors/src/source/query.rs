//! Query strings and forms: how lists are written, and which characters stay as they are.
//!
//! The WHATWG form encoding is the default (<https://url.spec.whatwg.org/#application/x-www-form-urlencoded>); some APIs want colons,
//! commas or parentheses as they are, because they read the query before they decode it.

use serde_json::Value;
use url::Url;

use crate::manifest::{ListStyle, QueryManifest, SpaceStyle};

/// Writes names and values in their order; a list as the style says.
pub(super) fn encode(pairs: &[(String, Value)], style: &QueryManifest) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        let lists = style.params.get(name).copied().unwrap_or(style.lists);
        match (value, lists) {
            (Value::Array(items), ListStyle::Repeat) => {
                for item in items {
                    push(&mut out, name, &text_of(item), style);
                }
            }
            (Value::Array(items), ListStyle::Brackets) => {
                let name = format!("{name}[]");
                for item in items {
                    push(&mut out, &name, &text_of(item), style);
                }
            }
            (Value::Array(items), ListStyle::Comma) => {
                push(&mut out, name, &items.iter().map(text_of).collect::<Vec<_>>().join(","), style);
            }
            (Value::Array(_), ListStyle::Json) => push(&mut out, name, &value.to_string(), style),
            _ => push(&mut out, name, &text_of(value), style),
        }
    }
    out
}

/// The URL without these query parameters; the others stay as they were written.
pub(super) fn without(url: &Url, names: &[String]) -> Url {
    let mut url = url.clone();
    let Some(query) = url.query().filter(|_| !names.is_empty()) else { return url };
    let is_kept = |pair: &&str| {
        let mut read = url::form_urlencoded::parse(pair.as_bytes());
        read.next().is_none_or(|(name, _)| !names.iter().any(|own| *own == name))
    };
    let kept = query.split('&').filter(is_kept).collect::<Vec<_>>().join("&");
    url.set_query(Some(kept.as_str()).filter(|kept| !kept.is_empty()));
    url
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn push(out: &mut String, name: &str, value: &str, style: &QueryManifest) {
    if !out.is_empty() {
        out.push('&');
    }
    escape(out, name, style);
    out.push('=');
    escape(out, value, style);
}

fn escape(out: &mut String, text: &str, style: &QueryManifest) {
    let keep = style.keep.as_deref().unwrap_or_default();
    for c in text.chars() {
        match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '.' | '_' => out.push(c),
            ' ' if style.spaces == SpaceStyle::Plus => out.push('+'),
            // `&`, `#`, `+` and `%` would change what the query means.
            c if keep.contains(c) && !"&#+%".contains(c) && c.is_ascii_graphic() => out.push(c),
            '*' => out.push(c),
            c => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("%{byte:02X}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn style(yaml: &str) -> QueryManifest {
        crate::manifest::yaml::from_str(yaml).unwrap_or_else(|error| panic!("{error}"))
    }

    fn encoded(pairs: &[(&str, Value)], style: &QueryManifest) -> String {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        encode(&pairs, style)
    }

    #[test]
    fn no_value_can_leave_its_place_whatever_is_kept() {
        let keeps_all = style("{ keep: '&=#+%,:() ' }");
        assert_eq!(encoded(&[("a", json!("1&b=2#x+%20"))], &keeps_all), "a=1%26b=2%23x%2B%2520");
        assert_eq!(encoded(&[("a&b", json!("c d"))], &style("{ spaces: percent }")), "a%26b=c%20d");
    }

    #[test]
    fn a_parameter_is_taken_out_of_a_url_and_the_others_stay_as_they_were() {
        let taken = |url: &str, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            without(&Url::parse(url).unwrap(), &names).to_string()
        };
        assert_eq!(taken("https://x.com/p?a=1&f%5B%5D=2&f[]=%2c&b=%7E", &["f[]"]), "https://x.com/p?a=1&b=%7E");
        assert_eq!(taken("https://x.com/p?f=1", &["f"]), "https://x.com/p");
        assert_eq!(taken("https://x.com/p?f=1", &[]), "https://x.com/p?f=1");
    }

    #[test]
    fn what_is_encoded_reads_back_as_the_url_standard_says() {
        let all: String = ('\u{0}'..='\u{2ff}').chain(['€', '😀']).collect();
        for style in [style("{}"), style("{ spaces: percent }"), style("{ keep: '():,;/' }")] {
            let query = encoded(&[("a", json!(all)), ("b", json!(true))], &style);
            let mut url = Url::parse("https://x.com/").unwrap();
            url.set_query(Some(&query));
            let pairs: Vec<_> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
            assert_eq!(pairs, [all.clone(), "true".to_owned()], "{style:?}");
        }
    }

    #[test]
    fn lists_are_written_as_the_api_wants_them() {
        let list = [("ids", json!(["a", 2])), ("x", json!("a:b,(c)"))];
        for (yaml, expected) in [
            ("{}", "ids=a&ids=2&x=a%3Ab%2C%28c%29"),
            ("{ lists: brackets }", "ids%5B%5D=a&ids%5B%5D=2&x=a%3Ab%2C%28c%29"),
            ("{ lists: comma, keep: ',:()' }", "ids=a,2&x=a:b,(c)"),
            ("{ lists: comma, params: { ids: json }, keep: '[]' }", "ids=[%22a%22%2C2]&x=a%3Ab%2C%28c%29"),
        ] {
            assert_eq!(encoded(&list, &style(yaml)), expected, "{yaml}");
        }
    }
}
