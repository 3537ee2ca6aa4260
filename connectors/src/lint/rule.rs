//! The rules, each with its stable word, its nature and what comes of breaking it.

use std::fmt;

use serde::Serialize;

/// What a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Nature {
    /// Only the vendor's pages, or whoever knows the API, can tell it, and nobody wrote it down.
    MissingFact,
    /// The manifest would read wrongly, or at the cost of others.
    Error,
}

impl fmt::Display for Nature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissingFact => "missing fact",
            Self::Error => "error",
        })
    }
}

/// Declares the rules in one place, so that none lacks its word, nature or reason.
macro_rules! rules {
    ($($(#[$docs:meta])* $name:ident: $code:literal, $nature:ident, $why:literal;)*) => {
        /// A rule on manifests.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$docs])* $name,)*
        }

        impl Rule {
            /// All rules, in the order of a manifest.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The rule's stable word, which findings carry and waivers name.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// What a finding of it is.
            pub fn nature(self) -> Nature {
                match self { $(Self::$name => Nature::$nature),* }
            }

            /// What comes of breaking it.
            pub fn why(self) -> &'static str {
                match self { $(Self::$name => $why),* }
            }
        }
    };
}

rules! {
    /// A setting says what it is and where to find it.
    HelpMissing: "help-missing", MissingFact, "whoever sets the source up does not know what to give";
    /// A manifest says what the vendor allows.
    LimitsMissing: "limits-missing", MissingFact, "without a limit nobody knows whether a reading takes the quota from others";
    /// A number of the vendor's links its page.
    SourceMissing: "source-missing", MissingFact, "a number without its page cannot be checked and is never corrected";
    /// A source is a link.
    SourceNoLink: "source-no-link", MissingFact, "what is no link cannot be opened by a reader";
    /// A link leads to a page.
    LinkUnfilled: "link-unfilled", MissingFact, "an address with a hole in it leads nowhere, so nobody opened it";
    /// An assumption says why.
    ReasonMissing: "reason-missing", MissingFact, "an assumption without its reason cannot be judged";
    /// A credential is declared as one.
    SecretNotDeclared: "secret-not-declared", Error, "what is not declared as a secret is printed";
    /// A login is encrypted.
    LoginUnencrypted: "login-unencrypted", Error, "a login without encryption shows its secrets to the network";
    /// Passwords are not handed over.
    PasswordGrant: "password-grant", Error, "a password grant hands over the password itself, and vendors withdraw it";
    /// A stream links its page.
    DocsMissing: "docs-missing", MissingFact, "nobody can check what the stream claims";
    /// A stream says what a row is.
    TitleMissing: "title-missing", MissingFact, "who looks for data does not find it";
    /// A value that is sent has one origin.
    SentTwice: "sent-twice", Error, "one of both values is lost, and a fixed one would stop pages or windows from moving";
    /// A value that has a name is used.
    SlotUnused: "slot-unused", Error, "the API is asked for everything, or for the same page again, whatever the window is";
    /// A body that can carry a value.
    SlotInNoBody: "slot-in-no-body", Error, "the value has no place in the body that is sent";
    /// Pages have a size.
    PageSizeMissing: "page-size-missing", MissingFact, "the vendor's default is often a tenth of its maximum, so ten times the requests";
    /// A page is not tiny.
    PageSizeTiny: "page-size-tiny", MissingFact, "a page of ten rows or less costs a request for each of them";
    /// A page is as large as the vendor allows.
    PageSizeBelowMaximum: "page-size-below-maximum", Error, "smaller pages cost more requests for the same rows";
    /// Pages of rows that move are known to lose some.
    BestEffortMissing: "best-effort-missing", MissingFact, "pages of a list that changes while it is read lose rows";
    /// A list of keys loses none.
    KeyListMoves: "key-list-moves", MissingFact, "a key that slips from page to page is taken for deleted";
    /// A lower bound moves along a sorted list only.
    OrderNotAsked: "order-not-asked", Error, "moving the lower bound loses every row that stands out of order";
    /// A stream says from when it is read.
    StartMissing: "start-missing", MissingFact, "without a start there is no first window";
    /// A window says when it is final.
    SettleMissing: "settle-missing", MissingFact, "rows that appear late are lost when a window is read before it is final";
    /// A window says how long it can change.
    LookbackMissing: "lookback-missing", MissingFact, "rows that change later keep their first state for ever";
    /// What restates is read again.
    NeverReread: "never-reread", Error, "rows that change keep their first state for ever, because no window is read twice";
    /// An end is asked for.
    EndNotAsked: "end-not-asked", MissingFact, "each window reads everything since its start, so a history costs the square of its length";
    /// A list that is read whole is read seldom.
    WholeListOften: "whole-list-often", Error, "each window reads the whole list";
    /// A bound that is moved by a step knows the step.
    GranularityMissing: "granularity-missing", MissingFact, "the bound that is sent is one step of the field away, and nobody said how long a step is";
    /// A day has no seconds.
    GranularityTooFine: "granularity-too-fine", Error, "a day is the least that the field tells apart";
    /// A row that changes is found by when it changed.
    FilteredByCreation: "filtered-by-creation", Error, "a change does not move a row into a newer window, so it is never seen";
    /// A row that does not change is found by when it was made.
    FilteredByChange: "filtered-by-change", Error, "a change moves the row to another window, so the old one seems to have lost it";
    /// A list that is read whole, or by tokens, says why.
    WhyWholeMissing: "why-whole-missing", MissingFact, "a stream without windows cannot be filled bit by bit, and who reads it should know why";
    /// A stream says how deletes show.
    DeletesMissing: "deletes-missing", MissingFact, "rows that the source deleted stay for ever";
    /// A stream promises columns.
    ColumnsMissing: "columns-missing", MissingFact, "without columns every field goes to `_rescued`";
    /// A time is typed as one.
    TimeAsText: "time-as-text", MissingFact, "a time that is a text sorts by its letters and joins with nothing";
    /// Money is exact.
    MoneyAsFloat: "money-as-float", Error, "a float cannot hold a tenth, so sums of money come out wrong";
    /// A key compares exactly.
    KeyNotExact: "key-not-exact", Error, "values that are equal do not compare as equal, so a row counts as two";
    /// A reference leads somewhere.
    ReferenceUnknown: "reference-unknown", Error, "the reference leads nowhere, so no join can be drawn from it";
    /// A waiver says why.
    WaiverWithoutReason: "waiver-without-reason", Error, "a rule that is waived without a reason is only ignored";
    /// A waiver names a rule.
    WaiverUnknown: "waiver-unknown", Error, "it waives nothing";
    /// A waiver is needed.
    WaiverUnneeded: "waiver-unneeded", Error, "the rule is kept, and a later breach of it would go unseen";
}

impl Rule {
    /// The rule of this word.
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.code() == code)
    }

    /// Whether a manifest may go without it for a reason; the rules on waivers themselves know none.
    pub fn can_be_waived(self) -> bool {
        !matches!(
            self,
            Self::WaiverWithoutReason | Self::WaiverUnknown | Self::WaiverUnneeded | Self::SecretNotDeclared
        )
    }
}
