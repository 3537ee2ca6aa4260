//! The orders of the source: made from their number alone, so that rows can be checked without keeping them.
//!
//! The shape is that of a commerce API: a dozen plain fields, money as decimal text, a nested customer and address, a list of
//! lines, and a note that fills the record to [`RECORD_BYTES`].

use std::fmt::Write as _;

/// Bytes of a record's JSON text: what an order of a large commerce API weighs.
pub(crate) const RECORD_BYTES: usize = 1_455;
/// The first window begins here; windows are days.
pub(crate) const FIRST_DAY_SECONDS: u64 = 1_767_225_600;
/// Seconds of a window.
pub(crate) const DAY_SECONDS: u64 = 86_400;

/// How much there is and how it is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Orders in all.
    pub(crate) records: usize,
    /// Orders of a page.
    pub(crate) page: usize,
    /// Windows, a day each.
    pub(crate) days: usize,
}

impl Shape {
    /// The numbers of the orders of one day.
    pub(crate) fn day(self, day: usize) -> std::ops::Range<usize> {
        let bound = |day: usize| self.records * day / self.days;
        bound(day)..bound(day + 1)
    }
}

/// A line of an order.
#[expect(clippy::struct_field_names, reason = "named as the source names it")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) line_no: i64,
    pub(crate) sku: String,
    pub(crate) title: String,
    pub(crate) quantity: i64,
    pub(crate) price_cents: i128,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) number: i64,
    pub(crate) created_seconds: u64,
    pub(crate) status: &'static str,
    pub(crate) currency: &'static str,
    pub(crate) total_cents: i128,
    pub(crate) tax_cents: i128,
    pub(crate) is_gift: bool,
    pub(crate) channel: Option<&'static str>,
    pub(crate) customer_id: String,
    pub(crate) email: String,
    pub(crate) city: &'static str,
    pub(crate) postcode: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) note: String,
}

/// Words of titles and notes: text that compresses as text does, unlike random letters.
const WORDS: [&str; 24] = [
    "quiet", "river", "cotton", "lamp", "walnut", "copper", "basket", "linen", "north", "harbour", "paper", "garden",
    "amber", "wool", "stone", "kettle", "window", "orchard", "silver", "candle", "meadow", "cedar", "morning", "ink",
];

/// Numbers that look random and depend on nothing but the seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is small.
    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound)).unwrap_or(0)
    }

    fn one_of<T: Copy>(&mut self, values: &[T], otherwise: T) -> T {
        let count = u32::try_from(values.len()).unwrap_or(1);
        usize::try_from(self.below(count)).ok().and_then(|at| values.get(at)).copied().unwrap_or(otherwise)
    }

    fn words(&mut self, count: usize) -> String {
        (0..count).map(|_| self.one_of(&WORDS, "ink")).collect::<Vec<_>>().join(" ")
    }
}

impl Order {
    /// The order with this number, of a source of this shape.
    pub(crate) fn at(number: usize, shape: Shape) -> Self {
        let seed = u64::try_from(number).unwrap_or(0);
        let mut numbers = Numbers(seed);
        let day = (0..shape.days).find(|day| shape.day(*day).contains(&number)).unwrap_or(0);
        let second = numbers.next() % DAY_SECONDS;
        let lines = (1..=i64::from(1 + numbers.below(4))).map(|line_no| Line {
            line_no,
            sku: format!("SKU-{:06}", numbers.below(90_000)),
            title: numbers.words(3),
            quantity: i64::from(1 + numbers.below(5)),
            price_cents: i128::from(99 + numbers.below(20_000)),
        });
        let lines: Vec<Line> = lines.collect();
        let total_cents = lines.iter().map(|line| line.price_cents * i128::from(line.quantity)).sum();
        let customer = numbers.below(60_000);
        let mut order = Self {
            id: format!("ord_{number:012}"),
            number: i64::try_from(number).unwrap_or(0),
            created_seconds: FIRST_DAY_SECONDS + u64::try_from(day).unwrap_or(0) * DAY_SECONDS + second,
            status: numbers.one_of(&["placed", "paid", "shipped", "cancelled", "returned"], "placed"),
            currency: numbers.one_of(&["EUR", "USD", "GBP"], "EUR"),
            total_cents,
            tax_cents: total_cents / 5,
            is_gift: numbers.below(10) == 0,
            channel: numbers.one_of(&[Some("web"), Some("app"), Some("store"), None], None),
            customer_id: format!("cus_{customer:08}"),
            email: format!("{}.{}{customer}@example.com", numbers.words(1), numbers.words(1)),
            city: numbers.one_of(&["Lyon", "Porto", "Leeds", "Graz", "Ghent", "Turku"], "Lyon"),
            postcode: format!("{:05}", numbers.below(99_999)),
            lines,
            tags: (0..numbers.below(4))
                .map(|_| numbers.one_of(&["vip", "first", "repeat", "fragile"], "vip"))
                .collect(),
            note: String::new(),
        };
        let missing = RECORD_BYTES.saturating_sub(order.to_json().len());
        order.note = numbers.words(missing / 4);
        order.note.truncate(missing);
        order
    }

    /// Its creation as the source writes it.
    pub(crate) fn created_at(&self) -> String {
        let since = self.created_seconds - FIRST_DAY_SECONDS;
        let (day, second) = (since / DAY_SECONDS, since % DAY_SECONDS);
        format!("{}T{:02}:{:02}:{:02}Z", date(day), second / 3_600, second / 60 % 60, second % 60)
    }

    /// The record as the source sends it.
    pub(crate) fn to_json(&self) -> String {
        let mut text = String::with_capacity(RECORD_BYTES);
        let created_at = self.created_at();
        let money = |cents: i128| format!("{}.{:02}", cents / 100, cents % 100);
        let channel = self.channel.map_or_else(|| "null".to_owned(), |channel| format!("\"{channel}\""));
        // Writing to a string cannot fail.
        let written = write!(
            text,
            r#"{{"id":"{}","number":{},"created_at":"{created_at}","status":"{}","currency":"{}","total":"{}","tax":"{}","is_gift":{},"channel":{channel},"customer":{{"id":"{}","email":"{}"}},"shipping_address":{{"city":"{}","postcode":"{}"}},"lines":["#,
            self.id,
            self.number,
            self.status,
            self.currency,
            money(self.total_cents),
            money(self.tax_cents),
            self.is_gift,
            self.customer_id,
            self.email,
            self.city,
            self.postcode,
        );
        debug_assert!(written.is_ok());
        for (at, line) in self.lines.iter().enumerate() {
            text.push_str(if at > 0 { "," } else { "" });
            let (number, sku, title, quantity) = (line.line_no, &line.sku, &line.title, line.quantity);
            let price = money(line.price_cents);
            text.push_str(&format!(
                r#"{{"line_no":{number},"sku":"{sku}","title":"{title}","quantity":{quantity},"price":"{price}"}}"#
            ));
        }
        text.push_str(r#"],"tags":["#);
        text.push_str(&self.tags.iter().map(|tag| format!("\"{tag}\"")).collect::<Vec<_>>().join(","));
        text.push_str(r#"],"note":""#);
        text.push_str(&self.note);
        text.push_str("\"}");
        text
    }
}

/// The calendar day, `day` days after the first; all windows lie in the first two months of 2026.
pub(crate) fn date(day: u64) -> String {
    if day < 31 { format!("2026-01-{:02}", day + 1) } else { format!("2026-02-{:02}", day - 30) }
}

/// The contract's columns and the typed schema, as a manifest says them.
pub(crate) const COLUMNS: &str = r"
      id:          { type: string }
      number:      { type: int64, check: { min: 0 } }
      created_at:  { type: timestamp }
      status:      { type: string, check: { one_of: [placed, paid, shipped, cancelled, returned] } }
      currency:    { type: string, check: currency_code }
      total:       { type: 'decimal(12,2)', check: { min: 0 } }
      tax:         { type: 'decimal(12,2)' }
      is_gift:     { type: boolean }
      channel:     { type: string, nullable: true }
      customer:
        type: { struct: { id: { type: string }, email: { type: string } } }
      shipping_address:
        type: { struct: { city: { type: string }, postcode: { type: string } } }
      lines:
        type:
          list:
            type: { struct: { line_no: { type: int64 }, sku: { type: string }, title: { type: string }, quantity: { type: int64 }, price: { type: 'decimal(12,2)' } } }
      tags:        { type: { list: { type: string } } }
      note:        { type: string }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_json_of_the_promised_size_and_depends_on_its_number_alone() {
        let shape = Shape { records: 1_000, page: 10, days: 7 };
        for number in [0, 1, 499, 999] {
            let order = Order::at(number, shape);
            let text = order.to_json();
            assert_eq!(text.len(), RECORD_BYTES, "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
            assert_eq!(order, Order::at(number, shape));
        }
    }

    #[test]
    fn every_order_belongs_to_one_day() {
        let shape = Shape { records: 1_003, page: 10, days: 7 };
        let covered: Vec<usize> = (0..shape.days).flat_map(|day| shape.day(day)).collect();
        assert_eq!(covered, (0..shape.records).collect::<Vec<_>>());
    }
}
