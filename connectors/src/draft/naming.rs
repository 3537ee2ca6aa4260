//! Names: how a vendor's `createdAt` becomes our `created_at`, and what a name gives away.

/// A name as columns, settings and streams are written: words in lower case, joined by `_`, beginning with a letter.
pub(crate) fn snake(text: &str) -> String {
    const LENGTH_MAX: usize = 60;
    let mut out = String::new();
    let mut was_lower = false;
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            if letter.is_ascii_uppercase() && was_lower {
                out.push('_');
            }
            was_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
            out.push(letter.to_ascii_lowercase());
        } else {
            was_lower = false;
            if !out.ends_with('_') && !out.is_empty() {
                out.push('_');
            }
        }
    }
    let out: String = out.trim_matches('_').chars().take(LENGTH_MAX).collect();
    let out = out.trim_end_matches('_');
    if out.starts_with(|c: char| c.is_ascii_lowercase()) {
        return out.to_owned();
    }
    format!("x_{out}").trim_end_matches('_').to_owned()
}

/// The words of a name: `min_createdAt` is `min`, `created`, `at`.
pub(super) fn words(text: &str) -> Vec<String> {
    snake(text).split('_').map(str::to_owned).collect()
}

/// A name that is not taken yet; a number is added to one that is.
pub(crate) fn free(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut candidate = name.to_owned();
    let mut number = 2_u32;
    while is_taken(&candidate) {
        candidate = format!("{name}_{number}");
        number = number.saturating_add(1);
    }
    candidate
}

/// One of many: `companies` is many of `company`.
pub(super) fn singular(name: &str) -> String {
    if let Some(stem) = name.strip_suffix("ies") {
        return format!("{stem}y");
    }
    for ending in ["sses", "xes", "ches", "shes"] {
        if let Some(stem) = name.strip_suffix(ending) {
            return format!("{stem}{}", ending.strip_suffix("es").unwrap_or_default());
        }
    }
    name.strip_suffix('s').filter(|stem| !stem.ends_with('s')).unwrap_or(name).to_owned()
}

/// Whether a name speaks of a person.
pub(super) fn is_personal(name: &str) -> bool {
    const PERSONAL: [&str; 14] = [
        "email",
        "phone",
        "mobile",
        "fax",
        "first_name",
        "last_name",
        "full_name",
        "firstname",
        "lastname",
        "surname",
        "birthday",
        "ip_address",
        "date_of_birth",
        "street",
    ];
    PERSONAL.iter().any(|word| name == *word || name.ends_with(&format!("_{word}")))
}

/// Whether a name speaks of money.
pub(crate) fn is_money(name: &str) -> bool {
    const MONEY: [&str; 12] = [
        "amount", "price", "total", "subtotal", "tax", "cost", "fee", "balance", "discount", "revenue", "net", "gross",
    ];
    words(name).iter().any(|word| MONEY.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words() {
        for (text, name) in [
            ("createdAt", "created_at"),
            ("Email Address", "email_address"),
            ("@odata.etag", "odata_etag"),
            ("2fa__on", "x_2fa_on"),
            ("ID", "id"),
            ("__", "x"),
            ("customerID", "customer_id"),
        ] {
            assert_eq!(snake(text), name, "{text}");
        }
        assert_eq!(free("a", |name| name == "a" || name == "a_2"), "a_3");
        for (many, one) in
            [("companies", "company"), ("boxes", "box"), ("orders", "order"), ("status", "statu"), ("press", "press")]
        {
            assert_eq!(singular(many), one);
        }
    }
}
